"""Lists of names for the demo corpus, and which of the names training may see.

Companies and products are invented. Some words stand in several lists on purpose (``Marlow`` is a surname, a company
and a town; ``April`` is a month and a given name): without such words the demo's recogniser would make no mistakes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

FEMALE_NAMES = tuple(
    """
    Abigail Adaeze Agnieszka Aisha Alice Amara Amélie Ana Anjali April Astrid Aurora Beatriz Bettina Bronwyn Camille
    Carmen Catarina Charlotte Chiara Chloé Clara Daniela Deborah Dorota Edith Eleanor Elif Elisabeth Émilie Esther
    Fatima Faith Fiona Florence Françoise Freya Georgia Giulia Grace Greta Halima Hanna Helen Hope Imani Inès Ingrid
    Irene Isabel Jana Joan Joanna Judith Julia June Kamala Katarzyna Keiko Lakshmi Laura Leila Lena Lucía Mabel
    Madeleine Mahsa Margaret Maria Marta May Mei Mercy Mina Miriam Naledi Nadia Naomi Ngozi Nina Nora Olga Paloma
    Paris Petra Philippa Priya Rachel Renée Rosa Rose Ruth Sabine Saoirse Sara Shirin Sigrid Siobhán Sofia Sunita
    Susan Sydney Tamara Teresa Thandiwe Ursula Valentina Vera Victoria Wanda Yasmin Yuki Zanele Zoë
    """.split()
)

MALE_NAMES = tuple(
    """
    Abdul Adrian Ahmed Akira Alan Alejandro Amir André Andrzej Anton Arjun Arthur August Austin Benjamin Bill Björn
    Bruno Callum Carlos Chad Chidi Christopher Cyrus Daniel David Dennis Dieter Dmitri Edward Emeka Emil Enrique Ethan
    Farid Felix Finn Frank Frédéric Gareth George Giovanni Gustav Hamid Harold Hassan Henry Hiroshi Hugo Ibrahim Ivan
    Jack Jakub James Javier Jerome João Johan John Jordan Joseph Jürgen Kenji Kevin Kofi Kwame Lars Leonard Liam Lloyd
    Luca Luis Magnus Mark Marcus Martin Matteo Mateusz Michael Miguel Mohammed Nathan Neil Nikolai Noah Oliver Omar
    Oskar Patrick Paul Pavel Pedro Peter Philip Rafael Rajesh Ravi René Robert Samuel Sanjay Santiago Sean Sebastian
    Sipho Stefan Stephen Sven Tadeusz Thomas Tomás Tunde Victor Vikram Walter Wei Will Xavier Yusuf Zoltán
    """.split()
)

SURNAMES = tuple(
    """
    Abernathy Achterberg Adeyemi Aldridge Almeida Alvarez Amundsen Andersson Arkwright Ashdown Ashworth Bachmann
    Bailey Balogun Banerjee Barlow Barros Baxter Beaumont Becker Bellamy Benítez Bergström Birch Blackwood Boateng
    Bonnet Borowski Bramwell Brandt Brennan Briggs Brook Burgess Byrne Calder Calloway Cardoso Carmichael Carvalho
    Castellano Chandra Chapman Chester Chevalier Cheung Clifford Coleridge Conti Cooper Córdoba Crane Cross Czerny
    Dahl Danso Davenport Delacroix Delgado Desai Dhillon Dlamini Dorsey Drummond Dubois Dunmore Easton Eaton Eklund
    Ellery Engel Eriksen Espinoza Fairchild Falk Farrell Ferreira Fields Fielding Finch Fischer Fitzroy Fontaine
    Forster Fox Fraser Fujimoto Gallagher Garnier Gibson Gill Girard Goldberg Gómez Grant Greenwood Grieve Grünwald
    Guerrero Gupta Haddad Halloran Hammond Harlow Hart Hartmann Hawthorne Hayashi Heath Hernández Hill Hoffmann
    Holloway Horváth Houston Hughes Hussain Ibáñez Idowu Ingram Ishikawa Iversen Jansen Jarvis Jensen Jimenez
    Johansson Kamau Kapoor Kaufmann Keating Keller Kendrick Khan Kimura King Kirby Klein Kovač Kowalski Krüger Kumar
    Lambert Langley Larsen Laurent Lawson Leclerc Lee Lincoln Lindqvist Lombardi Long Lovell Lund Mahlangu Malik
    Mancini Marchetti Marlow Marsh Mason Mbeki McAllister McKenna Meadows Mehta Mendes Meyer Mills Miyamoto Mohr
    Molina Montague Moreau Moss Müller Nakamura Nandakumar Navarro Ndlovu Nguyen Nielsen Novák Nowak Oakley Obi
    O'Brien Ogunleye O'Hara Okafor Olsen Ortega Osei Osman Pacheco Page Palmer Park Patel Pemberton Pereira Petersen
    Petrović Pham Pike Pinto Pope Porter Prescott Price Quintero Quigley Radcliffe Rahman Ramírez Ramos Rasmussen
    Rawlings Reed Reyes Ribeiro Ricci Rivers Romano Rossi Roth Rousseau Rowe Sadler Saito Salazar Sandoval Santos
    Schäfer Schneider Schultz Sharma Shaw Sheridan Silva Sinclair Singh Skinner Smirnov Sokolov Sørensen Spencer
    Stanton Steele Sterling Stone Sutherland Suzuki Szabó Takeda Tanaka Temple Thatcher Thibault Thorne Tikhonov
    Torres Underwood Usman Valdés Vance Varga Vasquez Vega Verma Vogel Wade Wainwright Wakefield Walcott Walsh Ward
    Watanabe Weaver Webb Weiss Wells West Whitlock Wilkins Winters Wolff Wong Wood Woźniak Yamamoto Yeo York Young
    Zamora Żeromski Zhang Ziegler Zimmermann
    """.split()
)

COMPANY_STEMS = tuple(
    """
    Acanthus Aldermoor Altavia Amberline Anchorage Apexa Aquilo Arboreal Ardent Argenta Ashgrove Asterion Atlas Aurora
    Avonlea Axiom Baltic Bannerman Basalt Beacon Bellwether Birchfield Bluewater Borealis Bramble Brightwell
    Brookstone Calder Caldera Cambria Candela Cardinal Carrick Castleford Cedar Celadon Chandlery Chester Cinderbank
    Citadel Clearwater Cobalt Compass Copperfield Corvane Corvid Cragside Crestline Crown Cygnet Daybreak Deepwell
    Delta Dovetail Driftwood Dunmore Eastgate Eclipse Elmstead Ember Evergreen Fairchild Falcon Farrow Fathom Fernhill
    Firth Flint Fortuna Foxglove Frontier Gable Gannet Garnet Glacier Granite Greenfinch Greenwood Halcyon Hamlet
    Harbour Harlow Hartwell Hawthorne Hazelmere Helianth Heron Highmark Holloway Horizon Hyperia Ironbridge Juniper
    Kestrel Keystone Kingfisher Kinloch Lakeland Landmark Langley Larkspur Lattice Laurel Lighthouse Lincoln Linden
    Lodestar Longmead Lumen Lyric Magnolia Marlow Meadowbank Mercury Meridian Merlin Millrace Monarch Moorgate Mosaic
    Nautica Nettle Nimbus Northgate Northwind Nova Oakhurst Obsidian Octavia Olive Onyx Orchard Oriel Orion Osprey
    Overlook Palisade Paragon Pembroke Pennant Peregrine Phoenix Pinnacle Pioneer Polaris Porter Prism Quarry Quill
    Radiant Ravenscroft Redwood Ridgeway Rookery Rosewood Rubicon Saffron Sandpiper Sentinel Sequel Sequoia Severn
    Sextant Silverline Skylark Slate Solent Spindle Stanton Sterling Stonebridge Summit Sundial Swift Sycamore
    Talisman Tamarind Tempest Tern Thistle Thornbury Tidewater Timberline Topaz Torrent Trident Umbra Union Vanguard
    Verdant Vertex Vesper Vista Wavecrest Westbrook Whitecap Willow Windermere Wren Yarrow Zenith Zephyr
    """.split()
)

#: What follows the stem in the name of a company. An ending that stands here twice is twice as frequent.
COMPANY_ENDINGS = (
    *("Inc.", "Inc.", "Ltd.", "Ltd.", "Limited", "Corp.", "plc", "S.A.", "AG", "LLC", "Co."),
    *("Group", "Group", "Holdings", "Partners", "Capital", "Bank", "Energy", "Foods", "Systems", "Logistics"),
    *("Airlines", "Pharmaceuticals", "Insurance", "Media", "Motors", "Press", "Rail", "Robotics", "Shipping"),
    *("Software", "Stores", "Telecom", "Textiles", "Water", "& Sons", "Brothers", "Instruments", "Steel"),
)

#: Names of institutions; ``{}`` stands for a place.
INSTITUTIONS = (
    *("University of {}", "{} University", "Bank of {}", "{} Chamber of Commerce", "{} Institute of Technology"),
    *("{} Stock Exchange", "{} Herald", "{} Gazette", "National Museum of {}", "{} Philharmonic", "Radio {}"),
)

PLACES = (
    *("Aberdeen", "Abuja", "Accra", "Adelaide", "Alabama", "Alaska", "Algeria", "Amsterdam", "Ankara", "Antwerp"),
    *("Argentina", "Arizona", "Athens", "Auckland", "Austin", "Australia", "Austria", "Bangkok", "Bangladesh"),
    *("Barcelona", "Basel", "Beirut", "Belfast", "Belgium", "Belgrade", "Bergen", "Berlin", "Bogotá", "Bologna"),
    *("Boston", "Botswana", "Brazil", "Bremen", "Brighton", "Bristol", "Brussels", "Bucharest", "Budapest"),
    *("Buenos Aires", "Bulgaria", "Cairo", "California", "Cameroon", "Canada", "Cape Town", "Cardiff", "Casablanca"),
    *("Chad", "Chester", "Chicago", "Chile", "Colombia", "Colorado", "Copenhagen", "Costa Rica", "Croatia", "Cyprus"),
    *("Dakar", "Dallas", "Denmark", "Denver", "Detroit", "Dublin", "Durban", "Düsseldorf", "Ecuador", "Edinburgh"),
    *("Egypt", "Estonia", "Ethiopia", "Finland", "Florence", "Florida", "France", "Frankfurt", "Geneva", "Genoa"),
    *("Georgia", "Germany", "Ghana", "Glasgow", "Gothenburg", "Greece", "Guatemala", "Hamburg", "Hanoi", "Helsinki"),
    *("Houston", "Hungary", "Iceland", "India", "Indonesia", "Ireland", "Istanbul", "Italy", "Jakarta", "Jamaica"),
    *("Japan", "Johannesburg", "Jordan", "Karachi", "Kazakhstan", "Kenya", "Kigali", "Kraków", "Kyoto", "Lagos"),
    *("Latvia", "Leeds", "Leipzig", "Lima", "Lincoln", "Lisbon", "Lithuania", "Liverpool", "London", "Lusaka"),
    *("Luxembourg", "Lyon", "Madrid", "Malaysia", "Malmö", "Malta", "Manchester", "Marlow", "Marseille", "Melbourne"),
    *("Mexico", "Mexico City", "Milan", "Minnesota", "Montréal", "Morocco", "Mozambique", "Mumbai", "Munich"),
    *("Nairobi", "Namibia", "Naples", "Nepal", "New Delhi", "New York", "New Zealand", "Nigeria", "Norway"),
    *("Nottingham", "Nuremberg", "Ohio", "Oregon", "Osaka", "Oslo", "Ottawa", "Pakistan", "Panama", "Paris", "Peru"),
    *("Philadelphia", "Phoenix", "Poland", "Porto", "Portugal", "Prague", "Pretoria", "Québec", "Quito"),
    *("Reykjavík", "Riga", "Rome", "Romania", "Rotterdam", "Rwanda", "San Francisco", "Santiago", "São Paulo"),
    *("Sarajevo", "Scotland", "Seattle", "Senegal", "Seoul", "Serbia", "Seville", "Sheffield", "Singapore"),
    *("Slovenia", "Sofia", "South Africa", "Spain", "Stockholm", "Stuttgart", "Sweden", "Switzerland", "Sydney"),
    *("Tallinn", "Tanzania", "Tbilisi", "Texas", "Thailand", "Tokyo", "Toronto", "Trieste", "Tunisia", "Turin"),
    *("Turkey", "Uganda", "Ukraine", "Uruguay", "Utah", "Valencia", "Vancouver", "Venice", "Vermont", "Victoria"),
    *("Vienna", "Vietnam", "Vilnius", "Virginia", "Wales", "Warsaw", "Wellington", "Yorkshire", "Zagreb", "Zambia"),
    *("Zürich", "Łódź", "Århus"),
)

PRODUCT_NAMES = tuple(
    """
    Aerolite Alpenglow Amplex Aquila Arrowhead Atlas Aurora Azura Bellatrix Bolero Brio Calypso Caravel Cascade
    Centauri Cielo Clarion Comet Cosmo Crescendo Dart Domino Duette Dynamo Echo Eclipse Elara Emberly Falcon Filigree
    Fjord Fluenta Galleon Gossamer Halo Helix Hummingbird Ibex Icarus Inkwell Jackdaw Jubilee Kestrel Kitewing Lantana
    Lumina Lyra Maestro Mantis Marathon Mercury Metronome Minuet Mirage Monsoon Nimbus Nova Oculus Opalia Orbit
    Orinoco Osprey Pacer Papillon Pebble Pelican Pilot Pixie Polaris Quasar Quicksilver Rapide Regatta Relay Rhapsody
    Rocket Safari Satchel Savanna Scarab Sierra Solstice Sonata Sparrow Spectra Stellar Stratus Swallow Tandem Tango
    Tempo Toccata Torino Trilogy Tundra Valkyrie Velta Veloce Verano Vireo Vortex Waltz Whisper Zephyr Zinnia
    """.split()
)

PRODUCT_ENDINGS = (
    *(
        "",
        "",
        "",
        " 2",
        " 3",
        " 5",
        " 7",
        " 12",
        " 300",
        " 2000",
        " Pro",
        " Pro",
        " Max",
        " SE",
        " Mini",
        " Plus",
        " Lite",
    ),
    *(" Air", " One", " Cloud", " Studio", " Mobile", " X200", " T4", " GT", " XL", " Home", " Duo"),
)


class Purpose(StrEnum):
    """What a text is for."""

    TRAINING = "training"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that texts for one purpose may use."""

    purpose: Purpose
    female: tuple[str, ...]
    male: tuple[str, ...]
    surnames: tuple[str, ...]
    stems: tuple[str, ...]
    acronyms: tuple[str, ...]
    places: tuple[str, ...]
    products: tuple[str, ...]


def vocabulary(purpose: Purpose, *, seed: int = 0) -> Vocabulary:
    """Return the names for `purpose`.

    Of each list, 60 % of the names are for both purposes, 20 % for training only, and 20 % for the demo only.
    """

    def share(words: tuple[str, ...], name: str) -> tuple[str, ...]:
        shuffled = list(words)
        random.Random(f"{seed}/{name}").shuffle(shuffled)
        common, fifth = len(words) * 3 // 5, len(words) // 5
        own = shuffled[common : common + fifth] if purpose is Purpose.TRAINING else shuffled[common + fifth :]
        return (*shuffled[:common], *own)

    return Vocabulary(
        purpose=purpose,
        female=share(FEMALE_NAMES, "female"),
        male=share(MALE_NAMES, "male"),
        surnames=share(SURNAMES, "surnames"),
        stems=share(COMPANY_STEMS, "stems"),
        acronyms=share(_acronyms(seed), "acronyms"),
        places=share(PLACES, "places"),
        products=share(PRODUCT_NAMES, "products"),
    )


def _acronyms(seed: int) -> tuple[str, ...]:
    rng = random.Random(f"{seed}/letters")
    # Currency codes and words such as POS or ATM occur in the texts, but not as companies.
    taken = {"EUR", "USD", "GBP", "CHF", "SEK", "JPY", "POS", "ATM", "REF", "VAT", "CEO", "DIR", "INC", "LTD"}
    made = {"".join(rng.choices("ABCDEFGHIKLMNOPRSTVWZ", k=3)) for _ in range(90)}
    return tuple(sorted(made - taken))
