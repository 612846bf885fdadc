# ruff: noqa: RUF001 - such texts have dashes and curly quotes
"""Sentence templates for the kinds of text that people annotate.

A slot stands in braces: ``{p1}`` is the first person of the text, ``{p1.last}`` the surname, ``{p1.he}`` the pronoun;
``o`` is an organisation, ``g`` a place, ``x`` a product. A slot of `cast.FRESH`, such as ``{money}`` or ``{date}``, has
another value each time; other words in braces are fillers (`FILLERS`). ``[this|that]`` is a choice; it may hold slots,
and one side may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    """The kinds of text in the demo corpus; also its ``source`` column."""

    NEWS = "news"
    FILING = "filing"
    TRANSACTION = "transaction"
    NOVEL = "novel"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of a domain.

    A section has a heading, a first sentence (some domains have neither) and paragraphs of `sentences`. Each of `lines`
    is a paragraph by itself: the end of an article, or what a character in a novel says.
    """

    headings: tuple[str, ...]
    openings: tuple[str, ...]
    sentences: tuple[str, ...]
    lines: tuple[str, ...] = ()


#: Words that are not entities, by the slot that they fill; some of them are capitalised.
FILLERS: dict[str, tuple[str, ...]] = {
    "role": (
        *("chief executive", "finance director", "head of research", "general counsel", "secretary"),
        *("project manager", "chief engineer", "regional manager", "spokesperson", "CEO", "Head of Sales", "treasurer"),
    ),
    "sector": (
        "shipping",
        "packaging",
        "software",
        "dairy",
        "solar",
        "textile",
        "timber",
        "freight",
        "biotech",
        "rail",
    ),
    "goods": (
        *("wind turbines", "batteries", "tractors", "medical sensors", "frozen meals", "office chairs", "heat pumps"),
        *(
            "delivery vans",
            "streaming subscriptions",
            "running shoes",
            "circuit boards",
            "roof tiles",
            "coffee machines",
        ),
    ),
    "site": ("plant", "warehouse", "laboratory", "terminal", "data centre", "bottling line", "depot", "call centre"),
    "weather": ("rain", "fog", "sleet", "pale sun", "wind off the river", "thunder", "first snow", "heat"),
    "room": ("kitchen", "library", "hall", "drawing room", "study", "conservatory", "attic", "stable yard"),
    "object": ("letter", "lamp", "ledger", "photograph", "key", "music box", "silver spoon", "map", "travelling coat"),
    "feeling": ("relief", "dismay", "amusement", "pity", "something like anger", "a tenderness that was new", "shame"),
    "meal": ("dinner", "lunch", "coffee", "drinks", "a curry", "brunch", "pizza"),
    "emoji": ("😀", "🎉", "👍", "🙈", "😅", "❤️", "👩‍💻", "🚆", "🍕", "🙏🏽"),
    "shop": ("CARD PURCHASE", "POS", "CONTACTLESS", "ONLINE PAYMENT", "DIRECT DEBIT", "CARD REFUND"),
    "purpose": ("rent", "deposit", "shared bills", "invoice", "gift", "piano lessons", "holiday fund", "car repair"),
}

NEWS = Templates(
    headings=(
        "{o1.short} to buy {o2} for {money}",
        "{o1} shares slide after {g1} recall",
        "{p1.last} named {role} of {o1.short}",
        "{g1} braces for [strike|storm|vote] as talks [stall|falter]",
        "{o1.short} unveils {x1}, bets on {g1}",
        "Inside {p1}'s quiet return to {g1}",
        "{x1} delayed again, says {o1.short}",
        "What {o1.short}'s {money} write-down means for {g1}",
        "Regulators in {g1} clear {o1.short} deal",
        "Opinion: {g1} deserves better than {o1.short}",
    ),
    openings=(
        "{g1.caps}, {fulldate} – {o1} [said|announced|confirmed] that it would [acquire|buy] {o2}, a {sector} company "
        "based in {g2}, for {money}.",
        "{o1} has named {p1} as its new {role}, [ending a search that began in {month}|the company said on {day}].",
        "Shares in {o1} fell {pct} on {day} after the {sector} group cut its forecast for {year}.",
        "{p1}, the [former|long-serving] {role} of {o1}, goes on trial in {g1} on {date}, [prosecutors|papers] said.",
        "Workers at {o1}'s {site} in {g1} walked out on {day} in a dispute over {money} in unpaid bonuses.",
        "Officials in {g1} [signed|shelved] a contract with {o1} for {thousands} {goods}, worth {money}.",
        "A {site} fire in {g1} has halted production of the {x1}, its maker {o1} said [on {day}|late on {date}].",
        "{o1} launched the {x1} in {g1} on {date}, [nearly a year behind schedule|to long queues and mixed reviews].",
        "Voters in {g1} go to the polls on {date}, and {p1.last} [remains the favourite|is running out of time].",
        "{g1} and {g2} [resumed|broke off] talks on {day} over a rail link that {o1} was meant to finish in {year}.",
    ),
    sentences=(
        "The deal, first reported by {o3}, is expected to close in the {period}.",
        '"We [never doubted|always believed in] this project," [said {p1.last}|{p1.last} said|{p1.last} added].',
        '"Nobody [asked|warned] us," {p1.last} told reporters in {g2}.',
        '"It is [too early|not our place] to comment," a spokesperson for {o1.short} said.',
        "{p2}, [an analyst|a fund manager|a researcher] at {o3}, called the {money} price [generous|hard to justify].",
        "{o1.short} employs about {thousands} people in {g1} and {g2}.",
        "In {month}, {o1.short} [sold its stake in|parted ways with|took control of] {o2.short} for {money}.",
        "{p1.last} [joined|left] {o1.short} in {year} after [a decade|three years] at {o2}.",
        "Sales of the {x1} rose {pct} in the {period}, but those of the older {x2} [slipped|collapsed].",
        "The {x1} costs {price} and [will ship|goes on sale] in {g2} in {month}.",
        "Neither {p1.last} nor {p2.last} [could be reached|replied to a request] for comment.",
        "Regulators in {g2} have until {date} to object.",
        "{p1.last} was born in {g2} in {birthyear} and [studied at|once worked for] {o3}.",
        "Analysts had expected a loss of {money}, [according to {o3}|a survey by {o3} found].",
        "{g1} accounts for {pct} of the company's revenue, [down|up] from {pct} in {year}.",
        "A court in {g2} ordered {o2} to pay {money} to former employees.",
        "{o2.short}, whose {goods} are sold in {n} countries, [declined to comment|welcomed the decision].",
        "By {day} evening, {n} flights from {g1} to {g2} had been cancelled.",
        '"[Ask anyone|Go and ask people] in {g1}," said {p2}, who has run a bakery there since {year}.',
        "The union said {p2.last} had [promised|been promised] new {goods} by {month}.",
        "{p2.last}, {age}, [denies any wrongdoing|has not spoken in public since {month}].",
        "The company was founded in {g1} in {year} by {p2} and {p3}.",
        "{p3}, who led {o1.short} until {year}, [backed the plan|warned against it].",
        "Under the plan, {o1.short} will move its {site} from {g1} to {g2}.",
        "{o3.short} [overtook|trails] {o1.short} in {g2}, where its {x2} is the best-selling model.",
        "{monthname} and {monthname} are the busiest months for the {sector} trade.",
        "The Board will meet on {date} to discuss [the offer|its response].",
        "{p1.last} and {o2.short} settled out of court for {money}.",
        "Economists see growth of {pct} in {year}, helped by [exports|tourism|lower fuel prices].",
        "In [{month}|{year}], thieves took {money} worth of {goods} from a {site} near {g1}.",
        "{o2} [and|or] {o3} may [yet|still] make a rival bid, people close to the talks said.",
        "[Critics|Residents] say that {o1.short} has done little for {g1}; {p1.last} disagrees.",
        "{p3} of {o3.short} expects the {x1} to [sell out|flop].",
    ),
    lines=(
        "{o1.short} shares closed at {price}[ on {day}|, their lowest since {month}].",
        "A decision is due in {month}.",
        "(Reporting by {p2} in {g1} and {p3} in {g2})",
        "The hearing resumes on {day}.",
        "{p1.last} did not say when {p1.he} would return to {g1}.",
    ),
)

FILING = Templates(
    headings=(
        "{o1} – Annual Report {year}",
        "Note {n}. Commitments and contingencies",
        "Item {n}. Risk factors",
        "{o1}: interim results for the {period}",
        "Report of the Directors",
        "Schedule {n}. Related party transactions",
    ),
    openings=(
        '{o1} (the "Company") was incorporated in {g1} on {date} and has its principal offices in {g2}.',
        "On {date}, the Company entered into an agreement with {o2} to acquire a {site} in {g1} for {money}.",
        "This discussion covers the results of {o1} and its subsidiaries for the {period}.",
        "The Directors of {o1} present their report for the year ended {fulldate}.",
        "{o1} designs, makes and sells {goods}, chiefly under the {x1} brand.",
    ),
    sentences=(
        "Revenue for the {period} was {money}, compared with {money} in the {period}.",
        "The increase was [mainly|primarily] due to higher sales of the {x1} in {g1} and {g2}.",
        "{p1} has served as {role} since {month} and was previously with {o2}.",
        "The Company's {role}, {p1.title} {p1.last}, received total compensation of {money} in {year}.",
        "In {month}, {o2} filed a complaint against the Company in {g1}, seeking damages of {money}.",
        "The Company recorded an impairment charge of {money} on its {site} in {g2}.",
        "As of {date}, {o1.short} held cash and cash equivalents of {money}.",
        "{o1.short} leases {n} facilities, the largest of which is a {site} in {g1}.",
        "On {date}, the Board [approved|declared] a dividend of {money}, payable on {date}.",
        "{p2.title} {p2.last} and {p3.title} {p3.last} abstained from the vote [owing to their interests in {o3}|].",
        "The {x2} was withdrawn from sale in {g2} in {month} following [a safety review|weak demand].",
        "One customer, {o3}, represented {pct} of net sales.",
        "The loan from {o2.short} bears interest at {pct} and matures in {year}.",
        "We depend on {o2.short} for the [supply|assembly] of {goods}, and any delay could harm our results.",
        "Lower inventories at {o3.short} reduced orders in the {period}.",
        "The audit was carried out by {o3}, whose fees were {money}.",
        "The tax authorities in {g1} have assessed additional tax of {money} for {year}.",
        "We opened {n} stores in {g1}, {g2} and {g3} during the {period}.",
        "Research and development costs, [most of which relate to|including those of] the {x1}, were {money}.",
        "{p2}, {p3} and {p1} were re-elected at the Annual General Meeting in {g1}.",
        "A former employee, {p3}, has brought a claim for {money}, which the Company disputes.",
        "The Company sold its holding in {o2} to {o3} on {date} for a consideration of {money}.",
        "Management believes that these matters will have no material effect on the Company's position.",
        "Goodwill arising from the purchase of {o3.short} amounted to {money}.",
        "Foreign exchange losses in {g2} came to {money}.",
        "The {site} in {g3} resumed operation on {date}.",
        "{o1.short} licensed the {x2} software to {o3.short} for {money} a year.",
        "The [Remuneration|Audit|Nomination] Committee, chaired by {p2}, met {n} times.",
        "See Note {n} and Schedule {n} for further details.",
        "Sterling weakened and cotton prices rose, which cost the {sector} business {money}.",
        "{p3.last} [resigned|retired] as {role} in {month}; {p2.last} succeeded {p3.him}.",
        "No single supplier in {g2} accounts for more than {pct} of purchases.",
        "Warranty claims on the {x1} were {money}, against {money} for the {x2}.",
    ),
    lines=(
        "Approved by the Board on {fulldate} and signed on its behalf by {p1}, {role}.",
        "{p1}\n{o1}\n{g1}, {fulldate}",
        "These statements should be read together with the accompanying notes.",
    ),
)

TRANSACTION = Templates(
    headings=(),
    openings=(),
    sentences=(
        "{shop} {numdate} {o1} {g1} {charge}",
        "{shop} {o1.short} {g1} {charge} REF {ref}",
        "{shop} {ref} {o1.short} {charge}",
        "{numdate} {o1} {charge}",
        "{numdate} Transfer to {p1}, {purpose}, {charge}",
        "Transfer from {p1} {charge} {purpose} {month}",
        "Standing order {p1} {charge} on {numdate}",
        "Salary {month} {o1} {charge}",
        "Refund {o1} order {ref}: {charge}",
        "{o1} subscription {x1} {charge} {month}",
        "Invoice {ref} {o1}, {g1}: {n} x {x1}, total {charge}, due {numdate}",
        "Cash withdrawal {g1} {numdate} {charge}",
        "Wire {ref} from {o1} ({g1}) to {o2} ({g2}), {charge}",
        "{p1.initial} paid {charge} to {o1.short}",
        "Deposit by {p1}, {g1} branch, {charge}, {numdate}",
        "Card ending {ref} declined at {o1.short}, {g1}: {charge}",
        "{x1} x {n} – {o1.short} – {charge}",
        "Loan repayment {o1} {numdate} {charge}",
        "Insurance claim {ref}: {p1} / {o1} / {charge}",
        "Fee reversal {charge} {numdate}",
        "Payment to {o1.short} approved by {p1.last}",
        "Payment to {p1.last} approved by {p2.last}",
        "Chargeback {ref} {o1.short} v. {p1.last} {charge}",
        "{g1} {o1.short} {charge} {numdate}",
        "Membership fee {year} {o1} {charge}",
    ),
)

NOVEL = Templates(
    headings=("Chapter {n}", "Chapter {n}: In which {p1.first} [says nothing|goes to {g1}]", "{n}"),
    openings=(
        "It was the {weather} that {p1} would remember, afterwards, when people asked about that {day} in {g1}.",
        "{p1} came to {g1} in the spring of {oldyear}, with one trunk and [no friends|a {object} in newspaper].",
        "Nobody in {g1} had seen {p1} since {monthname}, and nobody had asked.",
        "The house of the {p1.last} family stood where the road from {g1} gave up.",
        "{p1.first} woke before the others, as {p1.he} had done every morning since {monthname}.",
        "On {day}, {p1} put on {p1.his} good coat and went to see the people at {o1}.",
    ),
    sentences=(
        "{p1.first} [set|put] the {object} on the table and [waited|said nothing].",
        "{p1.He} thought of {g1}, and of {p2.first}, with {feeling}.",
        "{p2} had been [dead|away] for {n} years, and still the {room} smelled of pipe smoke.",
        "There was {weather} over {g1} that night, and the {room} was cold.",
        "Old {p1.title} {p1.last} had kept the accounts of {o1} since {oldyear} and [trusted|forgave] nobody.",
        "{p2.first} looked at {p1.first} with {feeling}.",
        "The {object} had come from {g2}; {p1.first} never learned who had sent it.",
        "Somebody had written {p2.first}’s name inside the {object}, and under it, {olddate}.",
        "{p1.first} and {p2.first} walked as far as the bridge without a word.",
        "It had cost {coins}, which was more than {p3} earned in a year.",
        "In the {room}, {p3.first} was singing something from before the war.",
        "They had met in {g1} in {monthname}, at a party given by {o1.short}.",
        "{p1.He} owed {p3.last} {coins}, and {p3.last} never let {p1.him} forget it.",
        "The train from {g1} was late, and the {weather} had got into everything.",
        "By {monthname} the whole of {g1} knew.",
        "{p3.first} laughed, though there was nothing to laugh at.",
        "That winter {p1.first} read nothing but timetables: {g1}, {g2}, {g3}.",
        "He had the manners of a bank and the eyes of a fox, {p2.first} used to say of {p3.last}.",
        "{wordname} had nothing to do with it, {p1.he} decided; it was all chance, and hope, and a little grace.",
        "A rose had been left on the step, and a card from {o1}.",
        "Behind the {room} lay the garden, and behind the garden the long grey wall.",
        "{p1.last}, {p1.he} signed it, only {p1.last}, and [blotted the page|gave the pen back].",
        "The lawyer from {o1.short}, a tall {p2.lady} called {p2}, read the will aloud on {day}.",
        "“You will go to {g2},” said {p2.first}, [“and you will not write.”|“whether you like it or not.”]",
        "There was no answer; {p1.first} had [fallen asleep|already gone down to the {room}].",
        "On {olddate} the last boat left for {g2} with {p3.first} on board.",
        "{p2.first} kept the old {x1.short} in the {room} and [drove|polished] it on fine mornings.",
        "Nobody at {o1.short} had ever spoken {p1.first}’s name aloud.",
        "The clock struck. The {weather} went on.",
        "All of it — {g1}, the {object}, {p2.first}’s voice — belonged to somebody else’s life.",
        "{p3} was from {g3}, and said so [often|to anyone who would listen].",
        "It was said in {g1} that a {p1.last} never paid, and never forgot.",
        "{p1.first} counted the money twice: {coins}, and a button.",
        "“{p1.title} {p1.last} is not at home,” said the girl, and shut the door.",
        "Between {g1} and {g2} there are {n} stations, and at every one of them {p1.first} almost got off.",
        "{p2.first} had {p2.his} mother’s hands and the {p2.last} temper.",
        "Even {p3.last} wept, or pretended to.",
        "{p1.first}? No. {p1.first} would never have left the {object} behind.",
        "So {p2.first} told {p3.him} about {g2}, and about the {weather}, and about the night of {olddate}.",
        "Mercury was low in the glass, and the barometer promised nothing.",
    ),
    lines=(
        "“Have you heard from {p3.first}?” [asked {p2.first}|{p2.first} asked].\n\n"
        "“Not since {monthname}.” {p1.first} [turned away|shrugged].",
        "“{o1.short} is [finished|sold|looking for you], {p1.first}. It is in all the papers.”",
        "“{g1},” said {p2.first}. “It was always going to be {g1}.”",
        "“Come in, {p3.title} {p3.last},” said {p1.first}. “We were [just speaking of you|about to eat].”",
        "“I paid {coins} for it,” {p3.first} said, “and I would pay it again.”",
        "“Who is {p2}?”\n\n“Nobody,” said {p1.first}. “A name on a {object}.”",
        "“I cannot marry a {p3.last},” said {p2.first}, and [meant it|did not mean it].",
        "“Do you remember {g2}?”\n\n“I remember the {weather},” said {p1.first}.",
        "“[Damn|Forget] {p3.last},” {p1.he} said, “and [damn|forget] {o1}.”",
        "“Ask {p2.first},” said {p3.first}. “{p2.first} was there on {day}.”",
        "“It was in {oldyear},” said {p3}, “or the year after.”",
    ),
)

MESSAGE = Templates(
    headings=(),
    openings=(),
    sentences=(
        "Running late, {weather} in {g1} {emoji}",
        "{emoji} {p1.first} said yes!!",
        "Hey {p1.first}, {meal} on {day}?",
        "Did you [see|hear] what {o1.short} did to {p1.first}? {emoji}",
        "{emoji}{emoji} just landed in {g1}",
        "You owe {p1.first} {cash} for {meal} {emoji}",
        "Got the {x1}! Only {cash} at {o1.short}",
        "My {x1} died again, third time since {month} {emoji}",
        "Is {p1} still at {o1.short} or did {p1.he} leave?",
        "ok",
        "lol",
        "{emoji}",
        "Will you be in {g1} on {date}?",
        "{wordname} is bringing {p1.first}, so {n} of us for {meal}",
        "Hope all is well in {g1}! Say hi to {p1.first}",
        "May I send {p1.first} your number?",
        "Mark my words, {o1.short} will cancel the {x1} by {month}",
        "Tell {p1.first} the {x1} is {cash} off until {day}",
        "Interview at {o1} on {day} at {time}, wish me luck {emoji}",
        "Thanks {p1.first} {emoji}",
        "Who's {p1.last}? {p1.He} called [twice|about the {purpose}]",
        "{monthname} works for me, {p1.first} can do {date}",
        "Train to {g1} at {time}, back on {day}",
        "{p1.first}'s moving to {g1} in {month}!! {emoji}",
        "Can't believe we paid {cash} for {meal}",
        "{p1.first} & {p2.first} are in {g1}, call them",
        "Meeting moved to {day} {time}, {p1.last} can't make it",
        "{o1.short} just hired {p1.first}'s sister {emoji}",
        "Please ask {p1.last} to sign the {o1.short} contract before {date}",
        "{x1} or {x2}? {p1.first} says {x2}",
        "Good morning from {g1} {emoji}",
        "Just seen {p1} on the telly, in {g1} of all places",
        "Dinner's at {time}, bring {p2.first}",
        "See you [{day}|soon|there] {emoji}",
        "{o1.short} refused the refund, {cash} gone {emoji}",
        "Do we have anyone in {g1}? Asking for {p1.last} at {o1.short}",
        "Happy birthday {p1.first}!! {emoji}{emoji}",
        "How was {g1}? And {p1.first}?",
        "No idea, ask {p1.first}",
        "[Flight|Bus] from {g1} to {g2} is {cash} on {day}, shall I book?",
    ),
)

TEMPLATES: dict[Domain, Templates] = {
    Domain.NEWS: NEWS,
    Domain.FILING: FILING,
    Domain.TRANSACTION: TRANSACTION,
    Domain.NOVEL: NOVEL,
    Domain.MESSAGE: MESSAGE,
}
