"""Which paintings go into a dataset, and where: rows of a survey in, a plan out, whatever the number of paintings.

Every decision is a pure function of the rows that share a key (`copies`, `splits`, `order`). `local` brings the rows of
a key together by sorting them on this machine's disk, and `beam` by a shuffle of a cluster.
"""
