"""Ids in lists of the admin."""

from atoll.admin import short_id


def test_a_long_id_keeps_its_end_and_is_whole_when_pointed_at():
    shown = short_id("0199a1b2-0000-7000-8000-00000000abcd")
    assert shown == (
        '<span class="whitespace-nowrap" title="0199a1b2-0000-7000-8000-00000000abcd">…00000000abcd</span>'
    )


def test_a_short_id_stays_as_it_is_and_none_is_a_dash():
    assert ">order-4711<" in short_id("order-4711")
    assert (short_id(None), short_id("")) == ("–", "–")


def test_what_callers_chose_cannot_break_out_of_the_link():
    shown = short_id('a"><script>&b', search="")
    assert "<script>" not in shown
    assert 'href="?q=a%22%3E%3Cscript%3E%26b"' in shown


def test_a_link_leads_to_another_list_that_knows_the_id():
    shown = short_id("0199a1b2-0000-7000-8000-00000000abcd", search="/admin/atoll_bus/inbox/")
    assert 'href="/admin/atoll_bus/inbox/?q=0199a1b2-0000-7000-8000-00000000abcd"' in shown
