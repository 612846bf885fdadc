"""The next batch is tokenized, and its pieces are made, while a transformer's network computes on a GPU.

A network on a GPU is set going, and computes by itself until somebody asks for what it found. Asked at once, the
processor would wait for the device, and then the device for the processor. So as soon as the network is set going, the
next batch's documents are made and cut into pieces, which takes about as long; then comes what has to wait.

All is done by one thread, and what is made is what would be made later: documents are the same whenever they are made,
and so are their pieces, if no component changes what either depends on (see `find_leader`). An error of the next batch
is kept until its turn comes. One in making pieces is forgotten, for they are then made again, in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shardner.engine.curated import LAYERS, all_dependencies, defined, is_transformer
from shardner.engine.failures import FAILURES

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Batch


class PiecesAhead:
    """Makes the next batch of documents, and their pieces, while a transformer's network computes."""

    def __init__(self, transformer: Any) -> None:
        """Take the component (see `find_leader`); None to make everything in its turn."""
        self._nodes = None if transformer is None else _find_nodes(transformer)
        self._ahead: _Ahead | None = None

    @contextmanager
    def over(self, batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
        """Go through batches of documents within the block: the same ones in the same order."""
        if self._nodes is None:
            yield batches
            return
        self._ahead = _Ahead(batches)
        try:
            yield self._ahead
        finally:
            self._ahead = None

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the transformer make the next batch when it has set its network going, within the block."""
        ahead = self._ahead
        if ahead is None or self._nodes is None:
            yield
            return
        maker, cutter = self._nodes
        make, cut = maker._func, cutter._func

        def recall(model: Any, docs: Sequence[Doc], is_train: bool) -> Any:
            pieces = ahead.recall(docs)
            if pieces is None:
                return make(model, docs, is_train)
            return [_to_device(each, model.ops.xp) for each in pieces], lambda gradients: []

        def cut_and_look(model: Any, pieces: Any, is_train: bool) -> Any:
            found = cut(model, pieces, is_train)
            ahead.look(lambda docs: _make_on_host(maker, make, docs))
            return found

        try:
            maker._func, cutter._func = recall, cut_and_look
            yield
        finally:
            maker._func, cutter._func = make, cut


class _Ahead:
    """Batches, of which the next one may be made before its turn."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._next: Batch | BaseException | None = None
        self._docs: list[Doc] = []  # of the next batch, or of the one whose turn it is
        self._pieces: list[Any] | None = None  # of these documents

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch, self._next = self._next, None
        if isinstance(batch, BaseException):
            raise batch
        return next(self._batches) if batch is None else batch

    def look(self, make_pieces: Callable[[list[Doc]], list[Any]]) -> None:
        """Make the next batch and its pieces, if that has not been done."""
        if self._next is not None:
            return
        try:
            self._next = next(self._batches, None)
        except FAILURES as error:
            self._next = error
        if self._next is None or isinstance(self._next, BaseException):
            return
        self._docs = [made for _, made in self._next if not isinstance(made, BaseException)]
        try:
            self._pieces = make_pieces(self._docs)
        except FAILURES:  # it comes again in its turn
            self._pieces = None

    def recall(self, docs: Sequence[Doc]) -> list[Any] | None:
        """Return the pieces of documents if they have been made, once."""
        if len(docs) != len(self._docs) or any(one is not other for one, other in zip(docs, self._docs, strict=True)):
            return None
        pieces, self._pieces = self._pieces, None
        return pieces


def find_leader(nlp: Language) -> Any:
    """Return the transformer that a pipeline begins with if documents and pieces may be made ahead, None otherwise.

    They may if all components are known, the functions that make pieces too, and none writes what is not known: what
    depends on nothing but a word is the same in all documents, and a component could change it between two batches.
    """
    pipe = next((pipe for _, pipe in nlp.pipeline), None)
    if not is_transformer(pipe) or _find_nodes(pipe) is None:
        return None
    known = all_dependencies(nlp)
    return None if known is None or any(each.writes_all for each in known) else pipe


def _find_nodes(transformer: Any) -> tuple[Any, Any] | None:
    """Return the layer that makes pieces, and the one that cuts them into spans and gives these to the network."""
    cut = defined(f"{LAYERS}.models.with_strided_spans", "with_strided_spans_forward")
    cutters = [node for node in transformer.model.walk() if node._func is cut]
    return (transformer.model.get_ref("piece_encoder"), cutters[0]) if len(cutters) == 1 else None


def _make_on_host(maker: Any, make: Callable[[Any, Any, bool], Any], docs: list[Doc]) -> list[Any]:
    """Return the pieces of documents in the host's memory: on the device they would come after what it computes now."""
    from thinc.api import NumpyOps

    nodes, host = list(maker.walk()), NumpyOps()
    before = [node.ops for node in nodes]
    try:
        for node in nodes:
            node.ops = host
        return list(make(maker, docs, False)[0])
    finally:
        for node, ops in zip(nodes, before, strict=True):
            node.ops = ops


def _to_device(pieces: Any, xp: Any) -> Any:
    """Return pieces (a Ragged of int numbers) as arrays of ``numpy`` or ``cupy``."""
    return type(pieces)(xp.asarray(pieces.dataXd), xp.asarray(pieces.lengths))
