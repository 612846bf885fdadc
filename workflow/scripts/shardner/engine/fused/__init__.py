"""The fused engine: exactly the entities of stock spaCy's recogniser, found without a loop over tokens.

**What stock spaCy does.** Its recogniser reads a document from left to right and takes one action at each token: B-x
begins an entity of label x, I-x goes on with it, L-x ends it, U-x makes an entity of the token alone, O leaves it
outside. A network scores every action and the best valid one is taken, which changes what is valid next. Stock spaCy
walks all documents of a batch in step, and at each token scores and checks each action: a loop of small operations.

**Why no loop is needed.** The network sees a state of three tokens: the current one and, only while an entity is open,
that entity's first token and the one before the current. While none is open the other two are a constant padding.
Each action takes one token, so the current token needs no search. Three things follow.

1. While no entity is open, what is scored and what is valid depend on the current token alone (and on whether the next
   one starts a sentence): not on anything that was decided before. So the choice among B, U and O is computed for all
   tokens of all documents at once, as if none had an entity open. It holds at those tokens that the parse reaches
   outside of an entity, and is ignored at the others.
2. While an entity is open, only I and L with its label are valid, and a state is its current and its first token. So
   what follows a B at a token is known from that token on, whatever was decided before it. Each token that chose B is
   a candidate, and all candidates of a batch are extended together, a token a step, until each has taken its L.
3. The parse is then a walk over candidates: it is outside at a document's first token, takes the first candidate it
   comes to, goes on behind its end, and never sees those that begin inside. What it takes are the entities.

Every decision of the greedy parse is one of those in 1 or 2, with the same scores and the same valid actions, and the
walk picks those that the parse comes to. Nothing is approximated; only the order of sums differs, so two actions whose
scores agree to the last digits (a near-tie) may change places, as they may in stock spaCy with another batch size.

**What is valid** (``spacy/pipeline/_parser_internals/ner.pyx``, for documents without preset entities). Outside: O
always; U-x except on whitespace; B-x except on whitespace, on a document's last token, and before one that starts a
sentence. Inside an entity of x: L-x always; I-x except on the last token and before one that starts a sentence.
So an action is always left, and no entity outruns its document. A class that the model was never trained on scores the
least of all; of equal scores the lower class number wins.

**What it costs.** One pass over all tokens; then as many steps as long entities have tokens, over candidates only. A
model that never closes its entities would make each token begin one that runs to the document's end. So candidates are
extended by a bounded number of tokens, and one still open is finished only when the walk takes it: then the next
token that matters lies behind its end, and no token is scored more often than that bound and a constant say.

Modules: `layers`, `moves` and `support` read a pipeline and refuse what is not known to be as above; `chunks`, with
`rules` and `affixes`, has the tokenizer's tokens, and `tokens` those of documents that spaCy made; `embed` and `encode`
compute tokens' vectors; `scorer` and `decode` find the entities; `sentences` does a sentencizer's work; `piece` serves
long documents; `engine` puts them together. All but splitting texts and the walk is array operations, of NumPy or of
CuPy.
"""

from shardner.engine.fused.engine import FusedEngine
from shardner.engine.fused.support import Support, examine

__all__ = ["FusedEngine", "Support", "examine"]
