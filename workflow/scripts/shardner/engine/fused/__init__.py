"""The fused engine: exactly the entities of stock spaCy's recogniser, found without a loop over tokens.

**What stock spaCy does.** The recogniser reads a document from left to right and takes one action at each token. B-x
begins an entity of label x, I-x continues it, L-x ends it, U-x makes an entity of the token alone, and O leaves the
token outside. A network scores every action, and the recogniser takes the best action that is valid. The action decides
which actions are valid next. Stock spaCy goes through all documents of a batch in parallel. At each token it scores and
checks each action, in a loop of small operations.

**Why no loop is needed.** The network sees a state of three tokens: the current token and, only while an entity is
open, the first token of the entity and the token before the current one. While no entity is open, a constant padding
stands for the other two. Each action moves on by one token, so it is known which token is the current one at each step.
Three things follow.

1. While no entity is open, scores and valid actions depend on the current token alone (and on whether the next token
   starts a sentence). They do not depend on earlier decisions. So the choice among B, U and O is computed for all
   tokens of all documents at once, as if no entity were open at any of them. The choice counts at the tokens that the
   parse reaches outside of entities, and is ignored at the others.
2. While an entity is open, only I and L with its label are valid, and the state consists of the first token of the
   entity and the current token with the one before it. So what follows a B at a token does not depend on decisions
   before that token. Each token where B is chosen is a candidate. All candidates of a batch are extended together, by
   one token per step, until each has taken its L.
3. The rest of the parse is a walk over candidates. It begins outside, at the first token of a document. It takes the
   first candidate that it meets, continues after the end of that candidate, and skips the candidates that begin inside.
   The candidates that it takes are the entities.

Every decision of the greedy parse is one of those in 1 or 2, with the same scores and the same valid actions, and the
walk picks the decisions that the parse would make. Nothing is approximated. Only the order of sums differs. So where
the scores of two actions agree to the last digits (a near-tie), the other action may win, as it may in stock spaCy with
another batch size.

**What is valid** (``spacy/pipeline/_parser_internals/ner.pyx``, for documents without preset entities). Outside of
entities: O always; U-x except on whitespace; B-x except on whitespace, on the last token of a document, and before a
token that starts a sentence. Inside an entity of label x: L-x always; I-x except on the last token and before a token
that starts a sentence. So there is always a valid action, and no entity goes on after the end of its document. A class
that the model was not trained on has the lowest score of all. Of equal scores, the lower class number wins.

**Scores.** Where the score of entities is asked for (`engine.scores` says what it is), the logarithm of the softmax of
each action is summed along with the candidates: at the first token among B, U and O, after it between I and L. The
states are those of the greedy parse, for the reasons above.

**What it costs.** One pass over all tokens; then, over candidates only, as many steps as the longest entity has tokens.
If a model never closed its entities, each token could begin an entity that goes on to the end of the document. So
candidates are extended by a limited number of tokens. A candidate that is still open then is extended further only if
the walk takes it. The next token that matters is then the one after its end. So a token is scored a limited number of
times: once for each step of that limit, and a small constant besides.

Modules:

- `support` makes the plan for a pipeline, or refuses the pipeline; `layers` and `moves` read what a model consists of.
- `chunks`, with `rules` and `affixes`, makes the tokenizer's tokens; `tokens` reads those of documents of spaCy.
- `encoder` says what an encoder is. `window_encoder` (with the table of embeddings in `embed`) and `spacy_encoder` are
  the encoders. `blas` lends spaCy's layers a faster matrix product.
- `scorer` and `decode` find the entities; `sentences` does the work of a sentencizer.
- `document_pieces` finds the candidates of a piece of a long document.
- `engine` joins the parts. Except for splitting texts and for the walk, everything is operations on arrays of NumPy or
  of CuPy (`arrays`).
"""

from shardner.engine.fused.engine import FusedEngine
from shardner.engine.fused.support import Support, examine

__all__ = ["FusedEngine", "Support", "examine"]
