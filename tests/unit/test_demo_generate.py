from __future__ import annotations

import dataclasses
import itertools
import random
import re

import pytest
import spacy
from shardner.demo.cast import LABELS
from shardner.demo.generate import GoldDocument, generate_document, render
from shardner.demo.lexicon import Purpose, Vocabulary, vocabulary
from shardner.demo.templates import TEMPLATES, Domain

DEMO = vocabulary(Purpose.DEMO)
TRAINING = vocabulary(Purpose.TRAINING)


def documents(domain: Domain, count: int, *, seed: int = 1, words: Vocabulary = DEMO) -> list[GoldDocument]:
    rng = random.Random(seed)
    return [generate_document(rng, domain, words) for _ in range(count)]


@pytest.mark.parametrize("domain", Domain)
def test_a_seed_makes_the_same_documents_and_another_seed_others(domain: Domain) -> None:
    assert documents(domain, 20) == documents(domain, 20)
    assert documents(domain, 20) != documents(domain, 20, seed=2)


@pytest.mark.parametrize("domain", Domain)
def test_entities_are_in_order_and_aligned_to_the_english_tokenizer(domain: Domain) -> None:
    nlp = spacy.blank("en")
    for words in (DEMO, TRAINING):
        for document in documents(domain, 250, words=words):
            tokens = nlp.make_doc(document.text)
            end_before = 0
            for start, end, label in document.entities:
                assert end_before <= start < end
                assert label in LABELS
                assert tokens.char_span(start, end) is not None, document.text[start - 9 : end + 9]
                end_before = end


@pytest.mark.parametrize("domain", Domain)
def test_every_template_can_be_filled_in(domain: Domain) -> None:
    templates = TEMPLATES[domain]
    rng = random.Random(3)
    for template in (*templates.headings, *templates.openings, *templates.sentences, *templates.lines):
        for _ in range(5):
            text = render(template, rng, DEMO).text
            assert not re.search(r"[{}|\[\]]", text), text
            assert "..." not in text and "  " not in text and " ," not in text, text


def test_offsets_count_code_points_after_characters_beyond_the_bmp() -> None:
    after = [
        document.text[start:end]
        for document in documents(Domain.MESSAGE, 400)
        for start, end, label in document.entities
        if label == "PERSON" and any(ord(character) > 0xFFFF for character in document.text[:start])
    ]
    assert len(after) > 30
    known = {name.lower() for name in (*DEMO.female, *DEMO.male, *DEMO.surnames)}
    assert all(re.split(r"[ -]", name.lower())[0] in known for name in after)


def test_a_long_document_reaches_its_length_and_hardly_more() -> None:
    for domain in Domain:
        document = generate_document(random.Random(4), domain, DEMO, min_chars=20_000)
        assert 20_000 <= len(document.text) < 26_000
        assert len(document.entities) > 200


def test_vocabularies_overlap_only_partly() -> None:
    for field in dataclasses.fields(Vocabulary):
        if field.name == "purpose":
            continue
        demo, training = set(getattr(DEMO, field.name)), set(getattr(TRAINING, field.name))
        assert 0.7 <= len(demo & training) / len(demo) <= 0.8, field.name
        assert demo - training and training - demo


def test_training_never_sees_some_templates() -> None:
    held_out = TEMPLATES[Domain.NEWS].sentences[4]
    fragment = max(re.split(r"[{}\[\]|]", held_out), key=len)

    def seen(words: Vocabulary) -> int:
        return sum(fragment in document.text for document in documents(Domain.NEWS, 150, words=words))

    assert seen(DEMO) > 0
    assert seen(TRAINING) == 0


def test_a_whole_name_is_one_entity() -> None:
    for domain in Domain:
        for document in documents(domain, 200):
            for (_, end, label), (start, _, following) in itertools.pairwise(document.entities):
                assert (label, following) != ("PERSON", "PERSON") or document.text[end:start] != " "


def test_news_gives_the_full_name_before_the_surname_alone() -> None:
    for document in documents(Domain.NEWS, 60):
        first = document.text.split("\n\n")[0]
        offset = 0 if first.endswith((".", '"')) else len(first)  # a headline may be short about who it means
        people = [document.text[s:e] for s, e, label in document.entities if label == "PERSON" and s >= offset]
        for number, name in enumerate(people):
            if " " not in name:
                assert any(earlier.endswith(f" {name}") for earlier in people[:number]), document.text
