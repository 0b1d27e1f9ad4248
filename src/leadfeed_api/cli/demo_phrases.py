"""The demo's raw material: people, companies, pages, mails, and the stories they are put together in.

Data only. The seller is Harborline, an invented maker of delivery-planning software; the buyers are invented too,
their addresses lie in ``.example`` and their telephone numbers in ranges reserved for fiction (countries that reserve
none have no numbers here).
"""

from typing import NamedTuple

SELLER = "harborline.example"

REPS = ("Maya Lindqvist", "Daniel Okoye", "Inès Caradec", "Kenji Morikawa", "Sofia Marchetti", "Liam Penrose")


class Country(NamedTuple):
    """Where people live: their names, their clock (hours from UTC) and, where fiction has numbers, their telephones."""

    hours: float
    given: str
    family: str
    phone: str = ""
    mobile: str = ""


COUNTRIES = {
    "US": Country(
        -6,
        "Ana Marcus Denise Tyler Grace Omar Hannah Luis Brenda Wesley Priscilla Jamal Kathleen Dustin",
        "Ruiz Whitfield Okafor Delgado Brandt Castellano Yoon Pruitt Harlow Nakamura Beaumont Stokes",
        "+1 512 555 01##",
        "+1 737 555 01##",
    ),
    "GB": Country(
        0,
        "Imogen Callum Priya Rhys Fiona Nathaniel Zara Duncan Bronwen Alistair Meera Gareth",
        "Thackeray Ahmed Pemberton Llewellyn Mackenzie Patel Winterbourne Haddow Osei Fairclough",
        "+44 1632 960###",
        "+44 7700 900###",
    ),
    "FR": Country(
        1,
        "Chloé Benoît Amélie Théo Aïcha Gaël Margaux Mathéo Solène Karim Éloïse Rémi",
        "Lefèvre Garnier Benhaddou Rousseau Kermarrec Dubreuil Fontanel Mbaye Courtois Péron",
        "+33 1 99 00 ## ##",
        "+33 6 39 98 ## ##",
    ),
    "DE": Country(
        1,
        "Jörg Katrin Matthias Anneliese Süleyman Ulrike Torsten Jana Björn Heike Aylin Holger",
        "Müller Schäfer Krüger Yıldız Weißenbach Lindemann Brückner Hofstetter Kowalczyk Dreßler",
        "+49 30 23125 ###",
    ),
    "SE": Country(
        1,
        "Åsa Henrik Malin Göran Linnéa Örjan Freja Anders Saga Ibrahim",
        "Sjöberg Nyström Håkansson Ekdahl Wallström Öhman Lindgård Abdi",
        "+46 8 465 004 ##",
    ),
    "AU": Country(
        10,
        "Lachlan Matilda Tran Bronte Angus Shanelle Darcy Mei",
        "Kirkpatrick Nguyen Fitzgerald Papadakis Doolan Hargreave",
        "+61 2 5550 ####",
    ),
    "CA": Country(
        -5,
        "Geneviève Étienne Harpreet Noah Maryse Connor Anjali Félix",
        "Tremblay Gagnon Sandhu Lachance MacIsaac Bouchard Singh Fournier",
        "+1 514 555 01##",
    ),
    "ES": Country(
        1,
        "Íñigo Lucía Joaquín Montserrat Álvaro Nuria Begoña Adrián",
        "García Ibáñez Muñoz Etxeberria Peñalver Soler Ordóñez Vidal",
    ),
    "IT": Country(
        1,
        "Giulia Niccolò Chiara Raffaele Ilaria Tommaso Noemi Davide",
        "Esposito Bianchi Lombardini Santoro De Luca Ferrarese Galli",
    ),
    "JP": Country(
        9, "Haruka Ryōta Ayumi Shōta Naoko Kazuhiro Yūki Tomoko", "Satō Ishikawa Kobayashi Ōnishi Hayashi Fujimoto Endō"
    ),
    "IN": Country(
        5.5,
        "Aditi Rajesh Lakshmi Arjun Fatima Vikram Sneha Karthik Neelam Imran",
        "Iyer Chaudhary Menon Banerjee Qureshi Deshpande Reddy Kulkarni",
    ),
    "BR": Country(
        -3,
        "João Beatriz Thiago Antônia Caio Luísa Rogério Simone",
        "Gonçalves Araújo Nogueira Conceição Peixoto Magalhães Tavares",
    ),
    "PL": Country(
        1, "Małgorzata Paweł Zofia Łukasz Agnieszka Wojciech", "Wiśniewska Dąbrowski Zając Górska Nowicki Stępień"
    ),
    "NL": Country(
        1, "Femke Joost Sanne Daan Yasmina Pieter", "Vermeulen Dijkstra Bakker Hoekstra El-Amrani Visser"
    ),
    "KE": Country(
        3, "Wanjiru Otieno Achieng Kamau Naliaka Mwangi", "Njoroge Odhiambo Wekesa Kiptoo Mutua Chebet"
    ),
    "MX": Country(
        -6, "Ximena Rodrigo Guadalupe Emiliano Renata Octavio", "Hernández Cárdenas Zúñiga Peralta Ávila Bautista"
    ),
}  # fmt: skip


class Company(NamedTuple):
    """A buyer."""

    name: str
    domain: str
    country: str
    address: str


COMPANIES = tuple(
    Company(*row)
    for row in (
        ("Initech", "initech", "US", "4120 Stapler Lane, Austin, TX 78799"),
        ("Globex", "globex", "US", "15201 Maple Systems Road, Cypress Creek, OR 97199"),
        ("Tumbleford Hardware", "tumbleford", "US", "88 Anvil Street, Tumbleford, KS 67999"),
        ("Copperhollow Health", "copperhollow", "US", "700 Juniper Way, Copperhollow, CO 80999"),
        ("Saltbrook Mutual", "saltbrook", "US", "31 Ferry Plaza, Saltbrook, MA 02999"),
        ("Prairie Anvil Tools", "prairieanvil", "US", "2 Foundry Court, Anvil City, NE 68999"),
        ("Thistlemoor Freight", "thistlemoor", "GB", "Unit 4, Gorse Road, Thistlemoor TM1 4QX"),
        ("Ostrabrook Dairies", "ostrabrook", "GB", "The Creamery, Ostrabrook OB2 7ZZ"),
        ("Penhallowe Robotics", "penhallowe", "GB", "12 Tinners Quay, Penhallowe PH9 3XW"),
        ("Fennimere Parcels", "fennimere", "GB", "Dock 3, Fennimere FM5 8QQ"),
        ("Vireval Logistique", "vireval", "FR", "14 quai des Tilleuls, 99100 Vireval"),
        ("Ateliers Montclauzel", "montclauzel", "FR", "3 rue du Tour, 99240 Montclauzel"),
        ("Lumeyrac Santé", "lumeyrac", "FR", "27 avenue des Sources, 99310 Lumeyrac"),
        ("Maison Quernac", "quernac", "FR", "8 place du Marché, 99020 Quernac"),
        ("Kestrelbach Maschinenbau", "kestrelbach", "DE", "Werkstraße 9, 09999 Kestrelbach"),
        ("Ilmenfurth Pumpen", "ilmenfurth", "DE", "Am Wehr 21, 09998 Ilmenfurth"),
        ("Weißenkamp Textil", "weissenkamp", "DE", "Spinnereiweg 5, 09997 Weißenkamp"),
        ("Nordfelde Energie", "nordfelde", "DE", "Hafenallee 60, 09996 Nordfelde"),
        ("Björkmora Papper", "bjorkmora", "SE", "Bruksgatan 4, 999 10 Björkmora"),
        ("Fjällsund Turbiner", "fjallsund", "SE", "Kraftvägen 18, 999 42 Fjällsund"),
        ("Wirrabilla Wool", "wirrabilla", "AU", "Shearers Road, Wirrabilla NSW 2999"),
        ("Northmoss Mining", "northmoss", "CA", "55 Headframe Avenue, Northmoss, ON"),
        ("Bois Lac-aux-Brumes", "lacauxbrumes", "CA", "210 chemin de la Scierie, Lac-aux-Brumes, QC"),
        ("Aceites Valdecorvo", "valdecorvo", "ES", "Camino del Molino 2, 99011 Valdecorvo"),
        ("Cerámicas Altarena", "altarena", "ES", "Polígono Sur 17, 99044 Altarena"),
        ("Navieras Puertoalba", "puertoalba", "ES", "Muelle Este 1, 99070 Puertoalba"),
        ("Officine Torvalda", "torvalda", "IT", "Via del Tornio 33, 99021 Torvalda"),
        ("Vetreria Solmarina", "solmarina", "IT", "Calle dei Forni 6, 99035 Solmarina"),
        ("Hoshikawara Precision", "hoshikawara", "JP", "3-9-1 Minamizaka, Hoshikawara"),
        ("Minatozuka Foods", "minatozuka", "JP", "1-14 Ichibacho, Minatozuka"),
        ("Chandrapali Textiles", "chandrapali", "IN", "44 Mill Road, Chandrapali 999001"),
        ("Vaigaipura Pharma", "vaigaipura", "IN", "Plot 12, Science Park, Vaigaipura 999024"),
        ("Narmadeep Solar", "narmadeep", "IN", "7 Canal View, Narmadeep 999050"),
        ("Metalúrgica Araucanga", "araucanga", "BR", "Rua das Fornalhas 300, Araucanga"),
        ("Laticínios Serra Jurubim", "serrajurubim", "BR", "Estrada Velha, km 12, Serra Jurubim"),
        ("Zakłady Borowianka", "borowianka", "PL", "ul. Fabryczna 11, 99-901 Borowianka"),
        ("Oosterdrecht Marine", "oosterdrecht", "NL", "Scheepskade 40, 9999 XA Oosterdrecht"),
        ("Van der Zilt Bloemen", "vanderzilt", "NL", "Kwekerslaan 8, 9998 ZB Ziltveen"),
        ("Simbari Tea", "simbari", "KE", "Ridge Estate, Simbari"),
        ("Cementos Tlalmira", "tlalmira", "MX", "Av. de la Cantera 500, Tlalmira"),
    )
)

TITLES = (
    "Head of Logistics", "VP Operations", "Chief Operating Officer", "Fleet Manager", "Dispatch Supervisor",
    "Supply Chain Director", "Transport Planner", "Warehouse Manager", "IT Director", "Chief Technology Officer",
    "Procurement Manager", "Head of Customer Service", "Business Analyst", "Chief Financial Officer",
    "Digital Transformation Lead", "Distribution Manager", "Enterprise Architect", "Head of Sustainability",
    "Managing Director", "Operations Analyst",
)  # fmt: skip

# Page -> path on the seller's site.
PAGES = {
    "the pricing page": "/pricing",
    "the security page": "/security",
    "the integrations page": "/integrations",
    "the API documentation": "/docs/api",
    "the route planning page": "/product/route-planning",
    "the driver app page": "/product/driver-app",
    "the live tracking page": "/product/live-tracking",
    "the customer stories": "/customers",
    "the “Spreadsheets or Harborline?” page": "/compare/spreadsheets",
    "the page on moving from another planner": "/switch",
}
MAILS = (
    "Five routes you can drop this month", "What 1,000 dispatchers told us", "Your winter delivery checklist",
    "New: plan electric vans by their range", "The real cost of a failed delivery", "How drivers rate their day",
    "Fewer calls asking where the order is", "Planning around roadworks, automatically",
)  # fmt: skip
PERSONAL_MAILS = (
    "Shall we talk on Thursday?", "Your numbers from our call", "The quote we promised", "A question about your depots",
    "Next steps for the pilot", "Contract draft, for your comments",
)  # fmt: skip
LINKS = (
    "See how it works",
    "Read the full story",
    "Calculate your savings",
    "Watch the 2-minute tour",
    "Compare plans",
)
WEBINARS = (
    "Same-day delivery without overtime", "From spreadsheet to route plan in an hour",
    "Electric fleets: range, charging, reality", "Ask a dispatcher anything",
)  # fmt: skip
GUIDES = (
    "The last-mile cost guide", "Dispatch metrics that matter", "The buyer’s guide to route planning",
    "Delivery windows customers keep", "GDPR for fleet tracking",
)  # fmt: skip
STORIES = (
    "How a dairy halved its empty miles", "A parcel carrier’s first 90 days", "300 vans, one planner, no night shift",
    "Cold chain without the paper",
)  # fmt: skip
EVENTS = ("Forward Freight Forum", "Last Mile Days")
NOTES = (
    "we plan 40 routes a day by hand", "our current contract ends in March", "can it handle two depots?",
    "we need it before the peak season", "does it connect to our ERP?", "looking at three vendors this week",
    "our dispatcher retires in June", "60 vans, 4 countries",
)  # fmt: skip


class Beat(NamedTuple):
    """One moment of a story: its type, the ways to say it, and the page it leads to, if any.

    ``{page}``, ``{mail}``, ``{webinar}`` … are what the story is about; ``{minutes}``, ``{number}`` are made up;
    ``{days}``, ``{times}``, ``{weekday}``, ``{threshold}`` are true of the lead at that time. ``once`` names what a
    person does only once; told again, it becomes a visit.
    """

    type: str
    texts: tuple[str, ...]
    path: str | None = None
    bot: str | None = None
    once: str | None = None


BEATS = {
    "open": Beat("email", ("Opened “{mail}”",)),
    "click": Beat("email", ("Clicked “{link}” in “{mail}”", "Clicked a link in “{mail}”"), "/m"),
    "forward": Beat("email", ("Forwarded “{mail}” to a colleague",), once="forward {mail}"),
    "open own": Beat("email", ("Opened your email “{personal}”", "Opened “{personal}” {few} times")),
    "reply": Beat("email", ("Replied to “{personal}”", "Replied to “{personal}” and copied a colleague")),
    "invited": Beat("email", ("Opened the invitation to “{webinar}”",), once="invited {webinar}"),
    "visit": Beat("web", ("Visited {page}", "Visited {page}", "Spent {minutes} minutes on {page}"), "page"),
    "again": Beat("web", ("Visited {page} again",), "page"),
    "often": Beat("web", ("Visited {page}: {times} times in a week",), "page"),
    "return": Beat("web", ("Back after {days} days, on {page}", "Returned after {days} days, to {page}"), "page"),
    "pricing": Beat("web", ("Visited {page}", "Spent {minutes} minutes on {page}", "Compared plans on {page}"), "page"),
    "story": Beat("web", ("Read the customer story “{story}”",), "/customers/story", once="story {story}"),
    "savings": Beat("web", ("Used the savings calculator ({vans} vans)", "Used the savings calculator"), "/savings"),
    "docs": Beat("web", ("Searched the documentation for “{search}”",), "/docs"),
    "notes": Beat("web", ("Read the release notes",), "/docs/releases"),
    "guide": Beat("milestone", ("Downloaded “{guide}”",), "/guides", once="guide {guide}"),
    "register": Beat("milestone", ("Registered for the webinar “{webinar}”",), "/webinars", once="register {webinar}"),
    "attend": Beat(
        "milestone", ("Attended “{webinar}” ({long} minutes)", "Attended “{webinar}” to the end"),
        once="attend {webinar}"
    ),
    "question": Beat("milestone", ("Asked a question in the webinar “{webinar}”",), once="question {webinar}"),
    "missed": Beat("milestone", ("Registered for “{webinar}” but did not attend",), once="attend {webinar}"),
    "recording": Beat("web", ("Watched the recording of “{webinar}”",), "/webinars", once="recording {webinar}"),
    "booth": Beat(
        "milestone", ("Visited our booth at {event}", "Took the product tour at {event}"), once="booth {event}"
    ),
    "card": Beat(
        "milestone", ("Asked for a call back at {event}: “{note}”", "Left a business card at {event}"),
        once="card {event}"
    ),
    "demo": Beat("milestone", ("Asked for a demo", "Asked for a demo: “{note}”"), "/demo", once="demo"),
    "booked": Beat(
        "milestone", ("Booked a demo for {weekday}", "Booked a call for {weekday} at {hour}:00"), once="booked"
    ),
    "contact": Beat("milestone", ("Filled out the contact form: “{note}”",), "/contact", once="contact"),
    "quote": Beat("milestone", ("Asked for a quote for {vans} vans",), "/quote", once="quote"),
    "trial": Beat("milestone", ("Started a 30-day trial",), "/trial", once="trial"),
    "trial use": Beat(
        "milestone", ("Trial: planned the first {number} stops", "Trial: connected their order system"),
        once="trial use"
    ),
    "trial team": Beat("milestone", ("Trial: invited {few} colleagues",), once="trial team"),
    "score": Beat("milestone", ("Lead score passed {threshold}",), once="score"),
    "scanner clicks": Beat(
        "email", ("Clicked every link in “{mail}”",), None, "likely a mail scanner: clicked {links} links in one second"
    ),
    "scanner opens": Beat("email", ("Opened “{mail}”",), None, "likely automatic: opened the second it arrived"),
}  # fmt: skip


class Arc(NamedTuple):
    """A story: how often it is told, what it starts from, and its beats, each with hours to wait (low, high).

    ``start``: ``mail`` follows a mailing, ``delivery`` comes with it, ``webinar`` and ``event`` lead up to an
    occasion (a wait of None: when it takes place), ``any`` starts whenever.
    """

    weight: int
    start: str
    steps: tuple[tuple[tuple[float, float] | None, str], ...]

    @property
    def live(self) -> bool:
        """Whether it can be told as it happens, without an occasion."""
        return self.start in {"mail", "any"}


SOON = (0.02, 0.15)
ARCS = (
    Arc(16, "mail", (((0, 0), "open"),)),
    Arc(14, "mail", (((0, 0), "open"), (SOON, "click"))),
    Arc(9, "mail", (((0, 0), "open"), (SOON, "click"), (SOON, "visit"), (SOON, "story"))),
    Arc(8, "mail", (((0, 0), "open"), (SOON, "click"), (SOON, "pricing"), ((0.1, 0.5), "demo"), ((2, 26), "booked"))),
    Arc(4, "mail", (((0, 0), "open"), ((0.1, 1), "forward"), ((5, 60), "visit"))),
    Arc(7, "any", (((0, 0), "visit"), (SOON, "guide"), ((24, 120), "return"), (SOON, "pricing"))),
    Arc(7, "any", (((0, 0), "visit"), (SOON, "visit"), ((60, 200), "return"), (SOON, "savings"), (SOON, "score"))),
    Arc(5, "any", (((0, 0), "pricing"), ((3, 30), "pricing"), ((3, 30), "pricing"), ((0.1, 2), "contact"))),
    Arc(5, "any", (((0, 0), "open own"), ((0.2, 4), "reply"), ((4, 40), "open own"), (SOON, "pricing"))),
    Arc(4, "any", (((0, 0), "pricing"), (SOON, "trial"), ((1, 26), "trial use"), ((20, 90), "trial team"))),
    Arc(4, "any", (((0, 0), "docs"), (SOON, "notes"), ((20, 60), "visit"))),
    Arc(3, "any", (((0, 0), "story"), (SOON, "savings"), (SOON, "quote"), ((20, 50), "open own"), ((0.2, 9), "reply"))),
    Arc(7, "webinar", (((0, 0), "invited"), (SOON, "register"), (None, "attend"), ((0.1, 3), "pricing"))),
    Arc(4, "webinar", (((0, 0), "register"), (None, "attend"), ((0, 0.01), "question"), ((15, 60), "demo"))),
    Arc(4, "webinar", (((0, 0), "register"), (None, "missed"), ((15, 60), "recording"))),
    Arc(4, "event", ((None, "booth"), ((0, 0.1), "card"), ((20, 70), "visit"), ((1, 20), "guide"))),
    Arc(3, "delivery", (((0, 0), "scanner opens"), ((0.0003, 0.0006), "scanner clicks"))),
)  # fmt: skip
SEARCHES = ("time windows", "SSO", "webhooks", "two depots", "export", "driver breaks")
