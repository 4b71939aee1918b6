"""What the instruction task's text is made of: names, deeds and sentences, the plainest of each list first.

A sentence is words and slots. {who}, {whom} and {third} are characters, {who} and {whom} two different ones; {place},
{deed}, {meets}, {uses}, {mood}, {sky} and {when} come from the lists below; {thing} and {other} are things.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ROLES = _words(
    """butler queen guard cook king priest knight maid farmer smith thief merchant wizard hunter sailor miller baker
    jester judge monk nun bishop prince princess duke duchess baron squire page herald scribe tailor weaver potter mason
    carpenter cobbler tanner brewer innkeeper barmaid fisherman ferryman shepherd goatherd beekeeper gardener woodcutter
    charcoal-burner blacksmith armourer fletcher archer soldier captain sergeant jailer executioner gravedigger sexton
    healer midwife apothecary alchemist astronomer librarian teacher student poet minstrel piper drummer dancer juggler
    acrobat fortune-teller witch hermit pilgrim beggar orphan widow nursemaid governess steward chamberlain treasurer
    tax-collector messenger coachman stablehand groom falconer gamekeeper poacher smuggler pirate bandit spy ghost troll
    ogre giant dwarf elf goblin dragon"""
)
"""People, and some who are not."""

ROLE_KINDS = _words("old young tall town royal blind lame quiet drunken wandering")
"""With a role they make another character: an old butler is not the butler."""

PLACES = _words(
    """kitchen hall garden tower cellar chapel stable market bridge harbour forest library dungeon courtyard armoury
    throne-room graveyard tavern mill bakery smithy orchard meadow cave swamp beach lighthouse cliff crossroads well
    barn granary dovecote kennel moat gatehouse ballroom nursery attic pantry laundry workshop infirmary crypt monastery
    school theatre prison fountain fishpond vineyard quarry mine ford ferry pier shipyard windmill toll-house camp
    ruin shrine"""
)

PLACE_KINDS = _words("great old dark northern southern abandoned secret upper lower")

THINGS = _words(
    """goblet sword candle bread rope lantern key book crown shield bucket broom ladder hammer needle ring coin cheese
    apple barrel basket bell bone boot bottle bow box brush cage cauldron chain chair chest cloak comb cup dagger drum
    egg fan feather fish flag flute fork glove hat helmet hook horn horseshoe jar kettle knife lute map mask mirror
    necklace net oar onion orange oven-glove painting pear pie pipe pitcher plate plough pot purse quill rake saddle
    salt sandal scarf sceptre scroll sickle skull spade spear spindle spoon stool table tapestry torch trumpet turnip
    vase wagon whip whistle wig"""
)

DEEDS = (
    "laughs",
    "sighs",
    "yawns",
    "hums an old song",
    "shakes a fist",
    "looks out of the window",
    "scratches an ear",
    "sits down on the floor",
    "begins to cry",
    "counts some money",
    "stares at the wall",
    "dances on one leg",
    "coughs loudly",
    "claps both hands",
    "falls asleep",
    "stamps a foot",
    "mutters a prayer",
    "whistles three notes",
    "shivers in the cold",
    "chews on a straw",
    "spits on the ground",
    "stretches both arms",
    "blushes and looks away",
    "kneels down for a moment",
    "wipes the sweat away",
    "grins from ear to ear",
    "turns pale",
    "juggles with two stones",
    "draws a circle in the dust",
    "tightens a belt",
    "warms cold fingers at the fire",
    "pretends to be asleep",
    "nods without a word",
    "frowns at nothing",
    "walks up and down",
    "jumps over a puddle",
    "sneezes twice",
    "sings out of tune",
    "listens at the door",
    "blows out a light",
)

MEETINGS = (
    "waves at",
    "bows to",
    "laughs at",
    "whispers to",
    "walks past",
    "hides from",
    "argues with",
    "pushes",
    "hugs",
    "follows",
    "points at",
    "winks at",
    "curses",
    "thanks",
    "frowns at",
    "dances with",
    "smiles at",
    "stares at",
    "trips over",
    "sings to",
    "trades jokes with",
    "plays dice with",
    "turns away from",
    "shouts at",
    "kneels before",
    "borrows money from",
    "shares an apple with",
    "runs into",
    "ignores",
    "comforts",
)

USES = (
    "drops",
    "picks up",
    "polishes",
    "hides",
    "looks for",
    "sells",
    "breaks",
    "cleans",
    "carries",
    "mends",
    "admires",
    "steals",
    "throws away",
    "kicks",
    "paints",
    "weighs",
    "buries",
    "sniffs at",
    "sits on",
    "wraps up",
    "loses",
    "finds",
    "borrows",
    "holds up",
    "turns over",
    "puts down",
    "stumbles over",
    "guards",
)

MOODS = _words(
    """tired happy angry hungry afraid bored proud sad thirsty lonely nervous cheerful grumpy sleepy jealous curious
    restless homesick dizzy merry suspicious hopeful ashamed puzzled"""
)

SKIES = (
    "it is raining",
    "the sun is shining",
    "snow is falling",
    "a cold wind blows",
    "it is getting dark",
    "the moon is up",
    "thunder rolls far away",
    "the fog is thick",
    "the air is warm and still",
    "smoke drifts by",
    "bells are ringing",
    "a dog barks",
    "it smells of bread",
    "water drips from the roof",
    "crows circle above",
    "the fire is going out",
    "somebody is singing far away",
    "dust dances in the light",
)

TIMES = _words("today yesterday tonight again now often tomorrow sometimes")

REQUEST = "can you tell the {who} that the {whom} wants to see them ?"
"""What is to be remembered; {who} is to be told."""

REQUESTS = (
    'the {third} says , " ' + REQUEST + ' "',
    'the {third} stops you . " ' + REQUEST + ' "',
    'a voice calls , " ' + REQUEST + ' "',
    'a child runs up to you . " ' + REQUEST + ' "',
    'the {third} whispers , " ' + REQUEST + ' "',
    'somebody hands you a note . it says , " ' + REQUEST + ' "',
)

PRESENCE = "the {who} is here ."
"""What an instruction waits for."""

PRESENCES = (
    "you walk to the {place} . " + PRESENCE,
    "you go to the {place} . it is quiet . " + PRESENCE,
    "you come to the {place} . {sky} . " + PRESENCE,
    "you are in the {place} . there is a {thing} on the floor . " + PRESENCE,
    "you open the door to the {place} . " + PRESENCE,
    "you follow the road to the {place} . " + PRESENCE,
)

EXECUTION = 'you tell the {who} " {whom} wants to see you ! "'
"""What follows where somebody is here who is to be told something."""

DISTRACTORS = (
    "the {who} {deed} .",
    "the {who} {meets} the {whom} .",
    "the {who} {uses} the {thing} .",
    'the {who} says , " i am {mood} {when} . "',
    "you walk to the {place} . {sky} .",
    'the {who} asks , " have you seen my {thing} ? "',
    "the {who} comes from the {place} and {deed} .",
    "there is a {thing} in the {place} .",
    'the {who} says to the {whom} , " give me the {thing} . "',
    "you look at the {thing} . it is old .",
    "{sky} , and the {who} {deed} .",
    'the {who} says , " the {place} is no place for you . "',
    "you drop the {thing} and pick up the {other} .",
    "the {who} is {mood} {when} .",
    "you go to the {place} . there is nobody .",
    'the {who} cries , " where is the {whom} ? "',
    "the {who} gives the {thing} to the {whom} .",
    "the {who} {deed} and leaves for the {place} .",
    'the {who} says , " i saw the {whom} {when} . "',
    "you smile at the {who} .",
    "the {place} is empty {when} . {sky} .",
    'the {who} says , " long ago the {whom} built the {place} . "',
    "you ask the {who} about the {thing} , but there is no answer .",
    "behind the {thing} you find a {other} .",
    "the {who} and the {whom} talk about the {third} .",
    "the {who} tells a tale of the {whom} and the {thing} .",
    "you sit down and eat . the {who} {deed} .",
    'the {who} says , " how much is the {thing} ? "',
    "the {who} {meets} the {whom} , then {deed} .",
    "the {who} {uses} the {thing} in the {place} .",
    "on the wall hangs a picture of the {who} with a {thing} .",
    'the {who} says , " {sky} . let us go to the {place} . "',
    "you wave at the {who} .",
    "the {who} is taller than the {whom} .",
    'the {who} shouts , " beware of the {whom} ! "',
    "the {who} dreams of the {place} and of the {thing} .",
    "you wait for a while . {sky} .",
    "the {who} asks the {whom} for the {thing} .",
    'the {who} laughs , " nobody is as {mood} as the {whom} . "',
    "a {thing} lies at the feet of the {who} .",
)

NEAR_MISSES = (
    'the {third} asks , " can you bring the {thing} to the {who} ? "',
    'the {third} says , " the {whom} wanted to see the {who} {when} . "',
    'the {third} asks , " can you tell me where the {who} is ? "',
    'the {third} says , " can you tell the {who} that the {whom} is {mood} ? "',
    "the {who} was here {when} .",
    'the {third} says , " did the {whom} tell the {who} about the {thing} ? "',
    'the {third} says , " do not tell the {who} what the {whom} wants . "',
    'the {third} asks , " can you see the {who} ? the {whom} is here and there . "',
    'the {third} says , " i told the {who} that the {whom} wants to sell the {thing} . "',
    'the {third} asks , " can you tell the {whom} from the {who} ? "',
    'the {third} says , " the {who} is not here . "',
    'the {third} asks , " can you tell the {who} to wait at the {place} ? "',
)
"""Much like requests and presences, and nothing follows from them."""
