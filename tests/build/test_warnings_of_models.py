"""A model whose rows are a matter of chance is warned of when its file is read."""

from __future__ import annotations


def test_chance_and_an_open_order_are_warned_of_with_their_place(shop):
    shop.model("m", "SELECT id,\n  random() AS r,\n  uuid() AS u\nFROM raw.orders LIMIT 2")
    chance = (
        "models/m.sql:2:3: not_deterministic: random() gives another value each time; "
        "take random(), uuid() and samples out of the model"
    )
    order = (
        "models/m.sql:4:17: order_undefined: LIMIT without ORDER BY keeps any rows; "
        "order by columns that make the order total"
    )
    expected = (chance, order)
    assert shop.plan("m").warnings == expected
    assert shop.built("m").warnings == expected
    assert shop.built("m").warnings == ()


def test_a_doubt_within_a_macro_is_told_there(shop):
    shop.file("macros/m.sql", "CREATE MACRO dice() AS\n  1 + floor(random() * 6)")
    shop.model("m", "SELECT dice() AS d FROM raw.orders")
    [warning] = shop.plan("m").warnings
    assert warning.startswith("macros/m.sql:2:13: not_deterministic: random()")
