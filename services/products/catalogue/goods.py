"""The shelves of the demo catalogue. A shelf has each of its things in each of its variants."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    code: str
    name: str
    price: int  # EUR, of the plain variant
    words: str


@dataclass(frozen=True)
class Variant:
    code: str
    name: str
    price_percent: int
    words: str


@dataclass(frozen=True)
class Shelf:
    category: str
    code: str
    things: tuple[Thing, ...]
    variants: tuple[Variant, ...]


SHELVES = (
    Shelf(
        "kitchen", "KIT",
        (
            Thing("KTL", "Gooseneck Kettle", 49, "Pours a thin, steady stream and keeps its handle cool."),
            Thing("SPN", "Saucepan", 39, "Two litres, a heavy base and a lid that drains pasta by itself."),
            Thing("BWL", "Mixing Bowl", 19, "Deep enough to whisk in, with a rim that pours cleanly."),
            Thing("CLN", "Colander", 24, "Drains quickly and stands level in the sink."),
            Thing("CAN", "Storage Canister", 17, "Closes airtight, for flour, rice or coffee."),
            Thing("TRY", "Serving Tray", 29, "Carries breakfast for two without a wobble."),
        ),
        (
            Variant("STL", "Brushed Steel", 100, "Brushed stainless steel, safe in the dishwasher."),
            Variant("BLK", "Matte Black", 110, "A matte black coat that hides fingerprints."),
            Variant("ENM", "White Enamel", 105, "White enamel with a thin blue rim."),
            Variant("COP", "Hammered Copper", 160, "Hammered copper that warms with the years."),
        ),
    ),
    Shelf(
        "coffee", "COF",
        (
            Thing("ESP", "Espresso Beans", 14, "A short, sweet shot with notes of cocoa and hazelnut."),
            Thing("FLT", "Filter Coffee", 13, "Clean and bright in a paper filter, with a hint of citrus."),
            Thing("MOR", "Morning Blend", 11, "Round and mild, made for a big cup and an early start."),
            Thing("CLD", "Cold Brew Coffee", 15, "Coarsely ground for twelve patient hours in the fridge."),
            Thing("HSE", "House Roast", 12, "Our everyday coffee: caramel, almond, no bitterness."),
            Thing("GFT", "Coffee Tasting Set", 26, "Four small bags to find a favourite with."),
        ),
        (
            Variant("ETH", "Ethiopian", 115, "Grown in the highlands of Sidama and washed at the farm."),
            Variant("COL", "Colombian", 100, "From small farms in Huila, roasted medium."),
            Variant("GUA", "Guatemalan", 105, "From volcanic soil around Antigua, roasted medium dark."),
            Variant("DEC", "Decaffeinated", 110, "Decaffeinated with spring water, all of the taste kept."),
        ),
    ),
    Shelf(
        "tea", "TEA",
        (
            Thing("BRK", "Breakfast Tea", 9, "Strong enough for milk, kind enough without."),
            Thing("EGR", "Earl Grey", 10, "Black tea with cold-pressed bergamot."),
            Thing("SEN", "Sencha", 13, "Fresh green tea with a taste of sea and grass."),
            Thing("CHM", "Chamomile Tea", 8, "Whole flowers for a quiet evening."),
            Thing("MNT", "Peppermint Tea", 8, "Cool, clear and good after a long dinner."),
            Thing("CHA", "Masala Chai", 11, "Cardamom, ginger and clove over a malty Assam."),
        ),
        (
            Variant("LSE", "Loose Leaf", 100, "A 100 g pouch of whole leaves."),
            Variant("BAG", "Bagged", 90, "Twenty plastic-free bags."),
            Variant("TIN", "Tinned", 135, "150 g in a tin worth keeping."),
            Variant("ORG", "Organic", 125, "From certified organic gardens."),
        ),
    ),
    Shelf(
        "stationery", "STA",
        (
            Thing("NTB", "Dotted Notebook", 16, "160 pages of 100 g paper that lie flat."),
            Thing("PEN", "Fountain Pen", 34, "A fine steel nib and a converter for bottled ink."),
            Thing("PCL", "Mechanical Pencil", 18, "A 0.5 mm lead that does not wobble."),
            Thing("PAD", "Desk Pad", 27, "Keeps the table clean and the mouse moving."),
            Thing("FLD", "Document Folder", 12, "Holds sixty sheets and closes with an elastic band."),
            Thing("PLN", "Weekly Planner", 22, "Undated, so it can begin in any week."),
        ),
        (
            Variant("FOR", "Forest Green", 100, "In forest green."),
            Variant("NVY", "Navy", 100, "In navy blue."),
            Variant("SND", "Sand", 100, "In a light sand colour."),
            Variant("GFT", "Gift-Boxed", 130, "In a box that needs no wrapping."),
        ),
    ),
    Shelf(
        "office", "OFF",
        (
            Thing("KEY", "Ergonomic Keyboard", 119, "Split and tilted, so that wrists stay straight."),
            Thing("MOU", "Vertical Mouse", 59, "A handshake grip that rests the forearm."),
            Thing("STD", "Laptop Stand", 45, "Lifts the screen to eye level and folds flat."),
            Thing("CHR", "Desk Chair", 289, "Adjusts in seven ways and forgets none of them."),
            Thing("ARM", "Monitor Arm", 99, "Carries up to nine kilograms with one finger."),
            Thing("HUB", "USB Hub", 39, "Seven ports, each with its own switch."),
        ),
        (
            Variant("GRA", "Graphite", 100, "In graphite grey."),
            Variant("SIL", "Silver", 100, "In silver aluminium."),
            Variant("CMP", "Compact", 95, "The compact version, for small desks."),
            Variant("PRO", "Professional", 140, "The professional version, with a five year warranty."),
        ),
    ),
    Shelf(
        "audio", "AUD",
        (
            Thing("OVR", "Over-Ear Headphones", 149, "Soft cushions and thirty hours on one charge."),
            Thing("EAR", "Earbuds", 89, "Small, secure and clear on calls."),
            Thing("SPK", "Bookshelf Speaker", 199, "A warm voice in a small cabinet."),
            Thing("PRT", "Portable Speaker", 69, "Survives rain, sand and a fall from the table."),
            Thing("TRN", "Turntable", 259, "Belt-driven, with a cartridge that is easy to change."),
            Thing("RAD", "Kitchen Radio", 79, "FM and internet radio with real buttons."),
        ),
        (
            Variant("BLK", "Black", 100, "In black."),
            Variant("SND", "Sand", 100, "In a light sand colour."),
            Variant("LTD", "Limited Edition", 145, "One of five hundred, numbered."),
            Variant("WRL", "Wireless", 130, "Wireless, with a cable for the stubborn."),
        ),
    ),
    Shelf(
        "lighting", "LGT",
        (
            Thing("DSK", "Desk Lamp", 65, "A dimmable light that follows the arm."),
            Thing("FLR", "Floor Lamp", 129, "Reads over your shoulder without glare."),
            Thing("PND", "Pendant Light", 89, "Hangs low over a table and flatters the food."),
            Thing("NGT", "Night Light", 19, "Just bright enough to find the door."),
            Thing("LAN", "Lantern", 35, "For balconies, tents and power cuts."),
            Thing("STR", "String Lights", 25, "Ten metres of small warm lights."),
        ),
        (
            Variant("BRS", "Brass", 125, "In brushed brass."),
            Variant("AMB", "Amber Glass", 115, "With mouth-blown amber glass."),
            Variant("WHT", "Matte White", 100, "In matte white."),
            Variant("SOL", "Solar", 100, "Charges in the sun and shines for eight hours."),
        ),
    ),
    Shelf(
        "textiles", "TEX",
        (
            Thing("THR", "Throw Blanket", 59, "130 by 170 cm, for the corner of the sofa."),
            Thing("CSH", "Cushion Cover", 22, "50 by 50 cm with a hidden zip."),
            Thing("TWL", "Bath Towel", 27, "Thick, thirsty and quick to dry."),
            Thing("TCL", "Tablecloth", 45, "Long enough for eight guests."),
            Thing("SHT", "Bed Sheet", 49, "Fits mattresses up to 30 cm high."),
            Thing("APR", "Apron", 32, "Two pockets and a loop for the towel."),
        ),
        (
            Variant("LIN", "Washed Linen", 130, "Washed linen, soft from the first day."),
            Variant("COT", "Organic Cotton", 100, "Certified organic cotton."),
            Variant("WOL", "Merino Wool", 165, "Merino wool from a mill in Biella."),
            Variant("WAF", "Waffle Weave", 105, "A waffle weave that dries overnight."),
        ),
    ),
    Shelf(
        "garden", "GRD",
        (
            Thing("TRW", "Hand Trowel", 18, "A deep blade with marks for planting depth."),
            Thing("SEC", "Secateurs", 36, "Cut clean through twigs up to two centimetres."),
            Thing("CAN", "Watering Can", 42, "Eight litres and a rose that rains gently."),
            Thing("POT", "Planter", 29, "Drains well and survives frost."),
            Thing("GLV", "Garden Gloves", 15, "Stop thorns and still feel a seed."),
            Thing("BAS", "Harvest Basket", 38, "Rinse the vegetables in it and leave the soil outside."),
        ),
        (
            Variant("LTE", "Lightweight", 110, "A third lighter than the everyday one."),
            Variant("EVD", "Everyday", 100, "Plain, sturdy and easy to clean."),
            Variant("TER", "Terracotta Red", 105, "In terracotta red, easy to find in the grass."),
            Variant("HRT", "Heritage", 150, "After a pattern from 1890, made to be handed on."),
        ),
    ),
    Shelf(
        "bags", "BAG",
        (
            Thing("BKP", "Backpack", 89, "Twenty litres, a padded laptop sleeve and no dangling straps."),
            Thing("TOT", "Tote Bag", 35, "Carries groceries on weekdays and towels on Sundays."),
            Thing("MSG", "Messenger Bag", 79, "Opens with one hand while the other holds the bike."),
            Thing("WKD", "Weekend Bag", 119, "Three days of clothes and a separate place for shoes."),
            Thing("SLG", "Sling Bag", 45, "For keys, a phone, a book and nothing else."),
            Thing("WSH", "Wash Bag", 29, "Hangs from a hook and opens wide."),
        ),
        (
            Variant("CNV", "Waxed Canvas", 120, "Waxed canvas that shrugs off rain."),
            Variant("REC", "Recycled", 100, "Woven from recycled bottles."),
            Variant("OLV", "Olive", 100, "In olive."),
            Variant("RUS", "Rust Red", 100, "In rust red."),
        ),
    ),
)  # fmt: skip
