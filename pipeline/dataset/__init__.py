"""The contract that travels from builder to trainer: schemes, records, shards, tables."""
