"""Which split a group of copies goes to."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.contract import SPLITS
from pipeline.plan.splits import Dealer, deal_shared, dealing_order, quotas

RATIOS = (0.8, 0.1, 0.1)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=30), st.integers(0, 5))
def test_groups_of_any_size_still_give_each_split_one(sizes, seed):
    (quota,) = deal_shared({}, {"A": sum(sizes)}, {"A": len(sizes)}, RATIOS, seed)[1].values()
    dealer = Dealer(quota, RATIOS)
    groups = {f"g{index}": size for index, size in enumerate(sizes)}
    order = sorted(groups, key=lambda group: dealing_order(group, groups[group], seed))
    assert {dealer.deal(groups[group]) for group in order} == set(SPLITS)


@given(st.integers(0, 1000), st.sampled_from([RATIOS, (1, 0, 0), (0.7, 0.15, 0.15), (0.5, 0.5, 0)]))
def test_quotas_sum_to_the_whole_and_stay_close(paintings, ratios):
    shares = quotas(paintings, ratios)
    assert sum(shares) == paintings
    assert all(share == 0 for share, ratio in zip(shares, ratios, strict=True) if ratio == 0)
    assert all(abs(share - paintings * ratio) <= 2 for share, ratio in zip(shares, ratios, strict=True))
