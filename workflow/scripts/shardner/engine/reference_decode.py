"""The actions of a recogniser scored once more, plainly and in double precision, along a parse that is known.

No entity is found with it. It tells how nearly two actions tied (where two answers differ), and how decided the
recogniser was about its entities (for engines that do not score actions themselves).

Reproduces the states and scores of ``spacy/ml/parser_model.pyx`` and the valid actions of
``spacy/pipeline/_parser_internals/ner.pyx``, for all tokens but those of preset entities. Actions that are never chosen
are left out: those that the model was not trained on, and ``U-`` without a label.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shardner.engine.annotations import Entity, Int64s
from shardner.engine.products import Products

Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

#: States scored at once, so that a long document takes little memory.
BLOCK_STATES = 1024
_BEGIN = 3  # spaCy's number of B in the attribute ENT_IOB


@dataclass(frozen=True, slots=True)
class RecogniserInput:
    """What a recogniser sees of the N tokens of a document, taken before it annotates the document."""

    vectors: Doubles  # (N, nI) inputs of the hidden layer
    is_space: Bools  # (N,)
    must_close: Bools  # (N,) no entity goes on after the token


class ReferenceDecode:
    """Scores the actions of a recogniser of three state features that decodes greedily."""

    def __init__(self, recogniser: Any) -> None:
        """Read the weights of a recogniser."""
        self._model = model = recogniser.model
        self._lower = _Layer(model.get_ref("lower"), ("W", "b", "pad"))
        self._upper = _Layer(model.get_ref("upper"), ("W", "b")) if model.attrs["has_upper"] else None
        products = Products(np, steady=True)
        weights = self._lower.values["W"]  # (3, hidden, pieces, nI)
        self._features = [products.of(each.reshape(-1, each.shape[-1]).T) for each in weights]
        self._map_up = None if self._upper is None else products.of(self._upper.values["W"].T)
        names = [recogniser.moves.get_class_name(number) for number in range(recogniser.moves.n_moves)]
        self._numbers = {name: number for number, name in enumerate(names)}
        self._kinds = np.array([name[0] for name in names])
        self._labels = np.array([name[2:] for name in names])
        unseen = np.isin(np.arange(len(names)), list(model.attrs["unseen_classes"]))
        self._is_chosen = ~unseen & np.array([name != "U-" for name in names])

    def read(self, docs: Sequence[Any]) -> list[RecogniserInput | None]:
        """Return what the recogniser sees of documents; None for one that has no token but whitespace."""
        attributes = [doc.to_array(["IS_SPACE", "SENT_START", "ENT_IOB"]) for doc in docs]
        # a transformer has no vectors for whitespace alone
        wanted = [number for number, columns in enumerate(attributes) if not columns[:, 0].all()]
        if not wanted:
            return [None] * len(docs)
        predicted = self._model.get_ref("tok2vec").predict([docs[number] for number in wanted])
        vectors = _to_doubles(predicted)
        ends = np.cumsum([len(docs[number]) for number in wanted])
        parts = dict(zip(wanted, np.split(vectors, ends[:-1]), strict=True))
        return [
            None
            if number not in parts
            else RecogniserInput(parts[number], columns[:, 0] != 0, _find_must_close(columns[:, 1], columns[:, 2]))
            for number, columns in enumerate(attributes)
        ]

    def shortfalls(self, seen: RecogniserInput, actions: Sequence[str], tokens: Int64s) -> Doubles:
        """Return at each of `tokens` (M,) by how much the best valid action scores above the action taken; at least 0.

        It is infinity where the action is not valid. If the recogniser does not have it, another component wrote that
        entity: then it is infinity at all tokens.
        """
        if any(actions[token] not in self._numbers for token in tokens.tolist()):
            return np.full(len(tokens), math.inf)
        known = [action if action in self._numbers else "O" for action in actions]
        found = [np.empty(0)]
        for taken, scores in self._score_actions(seen, tokens, known, all_taken_are_valid=False):
            found.append(scores.max(axis=1) - scores[np.arange(len(taken)), taken])
        return np.concatenate(found)

    def log_probabilities(self, seen: RecogniserInput, actions: Sequence[str], tokens: Int64s) -> Doubles:
        """Return at each of `tokens` (M,) the logarithm of the softmax of its action among the valid ones.

        Args:
            seen: of the document.
            actions: of all tokens.
            tokens: numbers of tokens; the recogniser has their actions.
        """
        logs = [np.empty(0)]
        for taken, scores in self._score_actions(seen, tokens, actions):
            largest = scores.max(axis=1)
            total = np.log(np.exp(scores - largest[:, None]).sum(axis=1))
            logs.append(scores[np.arange(len(taken)), taken] - largest - total)
        return np.concatenate(logs)

    def has_action(self, name: str) -> bool:
        """Tell whether the recogniser has an action."""
        return name in self._numbers

    def _score_actions(
        self, seen: RecogniserInput, tokens: Int64s, actions: Sequence[str], *, all_taken_are_valid: bool = True
    ) -> Iterator[tuple[Int64s, Doubles]]:
        """Yield for states in the parse `actions` the numbers of the actions taken (m,) and all scores (m, actions).

        An action that is not valid scores minus infinity.
        """
        kinds = np.array([action[0] for action in actions], dtype="U1")
        begins = np.maximum.accumulate(np.where(kinds == "B", np.arange(len(kinds)), -1))
        first = np.where((kinds == "I") | (kinds == "L"), begins, -1)
        for start in range(0, len(tokens), BLOCK_STATES):
            current = tokens[start : start + BLOCK_STATES]
            taken = np.array([self._numbers[actions[token]] for token in current.tolist()])
            valid = self._find_valid(seen, current, first[current] >= 0, self._labels[taken])
            if all_taken_are_valid:
                valid[np.arange(len(taken)), taken] = True
            yield taken, np.where(valid, self._score(seen.vectors, current, first[current]), -math.inf)

    def _find_valid(self, seen: RecogniserInput, current: Int64s, is_open: Bools, labels: npt.NDArray[Any]) -> Bools:
        """Return which actions are valid (m, actions).

        Args:
            seen: of the document.
            current: (m,) current tokens.
            is_open: (m,) whether an entity is open.
            labels: (m,) its label.
        """
        kinds, may_go_on = self._kinds, ~seen.must_close[current][:, None]
        inside = (self._labels == labels[:, None]) & ((kinds == "L") | ((kinds == "I") & may_go_on))
        entity = ((kinds == "U") | ((kinds == "B") & may_go_on)) & ~seen.is_space[current][:, None]
        valid: Bools = np.where(is_open[:, None], inside, entity | (kinds == "O")) & self._is_chosen
        return valid

    def _score(self, vectors: Doubles, current: Int64s, first: Int64s) -> Doubles:
        """Return the scores (m, actions) in states, given as current tokens (m,) and first ones (m,), -1 for none."""
        pad = self._lower.values["pad"][0]
        is_open, shape = (first >= 0)[:, None, None], (len(current), *pad.shape[1:])
        summed = self._lower.values["b"] + self._features[0](vectors[current]).reshape(shape)
        for feature, tokens in ((1, first), (2, current - 1)):
            products = self._features[feature](vectors[tokens]).reshape(shape)
            summed = summed + np.where(is_open, products, pad[feature])
        scores: Doubles = summed.max(axis=-1)
        if self._upper is None or self._map_up is None:
            return scores
        mapped: Doubles = self._map_up(scores) + self._upper.values["b"]
        return mapped


class _Layer:
    """The parameters of a layer in double precision."""

    def __init__(self, layer: Any, names: Sequence[str]) -> None:
        self.values: dict[str, Doubles] = {name: _to_doubles(layer.get_param(name)) for name in names}


def _to_doubles(array: Any) -> Doubles:
    """Return an array of NumPy or CuPy in the CPU's memory, in double precision.

    Of a pipeline on the GPU the upper layer lies on the CPU (``build_tb_parser_model`` of spaCy), the others do not. So
    each array is asked where it is, and not the model.
    """
    on_host = array if isinstance(array, np.ndarray) else array.get()
    doubles: Doubles = on_host.astype("d")
    return doubles


def find_actions(doc: Any, entities: Sequence[Entity]) -> list[str] | None:
    """Return the action at each token; None where an entity does not begin and end with a token."""
    actions = ["O"] * len(doc)
    for start, end, label in entities:
        span = doc.char_span(start, end)
        if span is None:
            return None
        actions[span.start : span.end] = actions_of(len(span), label)
    return actions


def actions_of(tokens: int, label: str) -> list[str]:
    """Return the actions of an entity of so many tokens."""
    kinds = ["U"] if tokens == 1 else ["B", *["I"] * (tokens - 2), "L"]
    return [f"{kind}-{label}" for kind in kinds]


def _find_must_close(sent_start: npt.NDArray[Any], ent_iob: npt.NDArray[Any]) -> Bools:
    """Tell after which tokens (N,) no entity goes on: the last one, and those before a sentence or a preset entity."""
    closes = np.ones(len(sent_start), dtype=np.bool_)
    closes[:-1] = (sent_start[1:] == 1) | (ent_iob[1:] == _BEGIN)
    return closes
