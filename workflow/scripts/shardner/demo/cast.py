"""Whom and what a text is about: people, organisations, places and products; and the amounts and dates in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from shardner.demo.lexicon import COMPANY_ENDINGS, INSTITUTIONS, PRODUCT_ENDINGS, Vocabulary

#: The labels of the demo.
LABELS = ("DATE", "GPE", "MONEY", "ORG", "PERSON", "PRODUCT")

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_PRONOUNS = {
    True: {"he": "she", "his": "her", "him": "her", "title": "Ms", "lady": "woman"},
    False: {"he": "he", "his": "his", "him": "him", "title": "Mr", "lady": "man"},
}


@dataclass(frozen=True, slots=True)
class Person:
    """A person with a given name and a surname."""

    first: str
    last: str
    female: bool
    middle: str = ""

    def form(self, name: str) -> tuple[str, str | None]:
        """Return the text for ``{p1.<name>}`` in a template, and its label; a pronoun has none."""
        if name.lower() in _PRONOUNS[self.female]:
            word = _PRONOUNS[self.female][name.lower()]
            return (word.capitalize() if name[0].isupper() else word), None
        forms = {
            "full": f"{self.first} {self.middle}{self.last}",
            "first": self.first,
            "last": self.last,
            "initial": f"{self.first[0]}. {self.last}",
        }
        return forms[name], "PERSON"


@dataclass(frozen=True, slots=True)
class Thing:
    """An organisation, a place or a product."""

    full: str
    short: str
    label: str

    def form(self, name: str) -> tuple[str, str | None]:
        """Return the text for ``{o1.<name>}`` in a template, and its label."""
        forms = {"full": self.full, "short": self.short, "caps": self.full.upper()}
        return forms[name], self.label


@dataclass(frozen=True, slots=True)
class Cast:
    """All people and things that a text may mention; in templates the first one has number 1 (``{p1}``)."""

    people: tuple[Person, ...]
    organisations: tuple[Thing, ...]
    places: tuple[Thing, ...]
    products: tuple[Thing, ...]

    def member(self, kind: str, number: int) -> Person | Thing:
        """Return the `number`-th person (``p``), organisation (``o``), place (``g``) or product (``x``)."""
        by_kind: dict[str, tuple[Person | Thing, ...]] = {
            "p": self.people,
            "o": self.organisations,
            "g": self.places,
            "x": self.products,
        }
        return by_kind[kind][number - 1]

    def shuffled(self, rng: random.Random) -> Cast:
        """Return the same people and things in another order."""
        return Cast(
            people=tuple(rng.sample(self.people, len(self.people))),
            organisations=tuple(rng.sample(self.organisations, len(self.organisations))),
            places=tuple(rng.sample(self.places, len(self.places))),
            products=tuple(rng.sample(self.products, len(self.products))),
        )


def draw_cast(rng: random.Random, words: Vocabulary, *, size: int = 3) -> Cast:
    """Return a cast with `size` people, organisations, places and products."""
    return Cast(
        people=tuple(_draw_person(rng, words) for _ in range(size)),
        # Every third one is where people studied, or what reports on the others; it is seldom a firm.
        organisations=tuple(_draw_organisation(rng, words, public=number % 3 == 2) for number in range(size)),
        places=tuple(Thing(place, place, "GPE") for place in rng.sample(words.places, size)),
        products=tuple(_draw_product(rng, words) for _ in range(size)),
    )


def _draw_person(rng: random.Random, words: Vocabulary) -> Person:
    female = rng.random() < 0.5
    last = rng.choice(words.surnames)
    if rng.random() < 0.06:
        last = f"{last}-{rng.choice(words.surnames)}"
    middle = f"{rng.choice('ABCDEFGHJKLMNPRSTW')}. " if rng.random() < 0.08 else ""
    return Person(rng.choice(words.female if female else words.male), last, female, middle)


def _draw_organisation(rng: random.Random, words: Vocabulary, *, public: bool) -> Thing:
    kind = rng.random()
    if kind < (0.5 if public else 0.03):
        name = rng.choice(INSTITUTIONS).format(rng.choice(words.places))
        return Thing(name, name, "ORG")
    kind = rng.random()
    if kind < 0.1:
        name = rng.choice(words.acronyms)
        return Thing(f"{name} {rng.choice(COMPANY_ENDINGS)}" if rng.random() < 0.3 else name, name, "ORG")
    stem = rng.choice(words.surnames if kind < 0.28 else words.stems)
    if kind > 0.9:
        stem = f"{stem} {rng.choice(words.stems)}"
    return Thing(f"{stem} {rng.choice(COMPANY_ENDINGS)}", stem, "ORG")


def _draw_product(rng: random.Random, words: Vocabulary) -> Thing:
    name = rng.choice(words.products)
    return Thing(name + rng.choice(PRODUCT_ENDINGS), name, "PRODUCT")


def _calendar_day(rng: random.Random, years: tuple[int, int] = (2009, 2025)) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(*years)
    return rng.choice((f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month}", f"{month} {day}"))


def _day(rng: random.Random) -> str:
    """Return a date that can follow "on"."""
    return rng.choice(DAYS) if rng.random() < 0.2 else _calendar_day(rng)


def _month(rng: random.Random) -> str:
    """Return a date that can follow "in"."""
    month = rng.choice(MONTHS)
    return month if rng.random() < 0.5 else f"{month} {rng.randint(2009, 2025)}"


def _period(rng: random.Random) -> str:
    """Return a date that can follow "in the"."""
    part = rng.choice(
        ("first quarter", "second quarter", "third quarter", "fourth quarter", "first half", "second half")
    )
    return f"{part} of {rng.randint(2009, 2025)}" if rng.random() < 0.7 else part


def _numeric_date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2019, 2025)
    return rng.choice((f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}", f"{day:02}.{month:02}.{year}"))


def _money(rng: random.Random) -> str:
    """Return an amount of money as a newspaper or an annual report writes it."""
    number = rng.choice((f"{rng.uniform(1, 99):.1f}", f"{rng.randint(2, 950)}"))
    scaled = f"{rng.uniform(1, 30):.1f} billion" if rng.random() < 0.1 else f"{number} million"
    sign, name = rng.choice((("$", "dollars"), ("€", "euros"), ("£", "pounds"), ("US$", "dollars"), ("¥", "yen")))
    exact = f"{rng.randint(2, 99)},{rng.randint(0, 999):03},000"
    return rng.choice((f"{sign}{scaled}", f"{sign}{scaled}", f"{sign}{exact}", f"{scaled} {name}"))


def _price(rng: random.Random) -> str:
    """Return the price of a device in a shop."""
    amount = rng.choice((f"{rng.randint(19, 999)}", f"{rng.randint(1, 4)},{rng.randint(0, 9)}99"))
    return rng.choice((f"{rng.choice('$€£')}{amount}", f"{amount} {rng.choice(('euros', 'dollars', 'pounds'))}"))


def _coins(rng: random.Random) -> str:
    """Return an amount of money as a character in a novel says it."""
    number = rng.choice(("two", "nine", "twelve", "twenty", "thirty", "forty", "sixty", "a hundred", "two hundred"))
    return f"{number} {rng.choice(('pounds', 'guineas', 'francs', 'crowns', 'dollars', 'shillings'))}"


def _cash(rng: random.Random) -> str:
    """Return an amount of money as friends write it."""
    amount = rng.randint(3, 250)
    return rng.choice(
        (f"{rng.choice('$€£')}{amount}", f"{amount} {rng.choice(('euros', 'dollars', 'pounds', 'quid'))}")
    )


def _charge(rng: random.Random) -> str:
    """Return an amount of money as a bank statement prints it."""
    amount = f"{rng.uniform(1.5, 990):,.2f}"
    code = rng.choice(("EUR", "USD", "GBP", "CHF"))
    return rng.choice((f"{code} {amount}", f"{amount} {code}", f"{rng.choice('$€£')}{amount}"))


#: Slots that get another value wherever they stand in a template: how the value is drawn, and its label.
FRESH: dict[str, tuple[Callable[[random.Random], str], str | None]] = {
    "date": (_day, "DATE"),
    "fulldate": (_calendar_day, "DATE"),
    "olddate": (lambda rng: _calendar_day(rng, (1871, 1938)), "DATE"),
    "oldyear": (lambda rng: str(rng.randint(1871, 1938)), "DATE"),
    "birthyear": (lambda rng: str(rng.randint(1941, 1992)), "DATE"),
    "month": (_month, "DATE"),
    "monthname": (lambda rng: rng.choice(MONTHS), "DATE"),
    "wordname": (lambda rng: rng.choice(("Will", "Mark", "Bill", "Grace", "Hope", "Rose", "April")), "PERSON"),
    "day": (lambda rng: rng.choice(DAYS), "DATE"),
    "year": (lambda rng: str(rng.randint(1998, 2025)), "DATE"),
    "period": (_period, "DATE"),
    "numdate": (_numeric_date, "DATE"),
    "money": (_money, "MONEY"),
    "price": (_price, "MONEY"),
    "coins": (_coins, "MONEY"),
    "cash": (_cash, "MONEY"),
    "charge": (_charge, "MONEY"),
    "n": (lambda rng: str(rng.randint(3, 98)), None),
    "age": (lambda rng: str(rng.randint(24, 81)), None),
    "thousands": (lambda rng: f"{rng.randint(1, 48)},{rng.randint(0, 9)}00", None),
    "pct": (lambda rng: f"{rng.uniform(0.4, 38):.1f} percent", None),
    "ref": (lambda rng: str(rng.randint(100000, 999999)), None),
    "time": (lambda rng: f"{rng.randint(7, 22)}:{rng.choice(('00', '15', '30', '45'))}", None),
}
