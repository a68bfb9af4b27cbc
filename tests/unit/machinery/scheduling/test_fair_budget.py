"""No namespace holds more than its share of a budget, and all together never more than the whole."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from modelops.machinery.scheduling.fair_budget import FairBudget

TOTAL, SHARE = 10, 6
CHANGES = st.lists(st.tuples(st.sampled_from(["a 1", "a 2", "b 1", "c 1"]), st.integers(0, 8)), max_size=40)


@given(CHANGES)
def test_a_change_is_refused_exactly_where_it_does_not_fit(changes: list[tuple[str, int]]) -> None:
    budget: FairBudget[str] = FairBudget(TOTAL, SHARE)
    held = Counter[str]()
    for holder, amount in changes:
        namespace, after = holder[0], Counter({**held, holder: amount})
        of_namespace = sum(value for name, value in after.items() if name[0] == namespace)
        fits = amount <= held[holder] or (after.total() <= TOTAL and of_namespace <= SHARE)
        assert budget.set(namespace, holder, amount) == fits
        held = after if fits else held
        assert budget.amount(holder) == held[holder]
    budget.keep_only(lambda holder: holder == "a 1")
    assert [budget.amount(holder) for holder in ("a 1", "a 2", "b 1", "c 1")] == [held["a 1"], 0, 0, 0]
    assert budget.set("b", "b 1", min(SHARE, TOTAL - held["a 1"])), "what is taken back is free"
