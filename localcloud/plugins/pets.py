"""Words that make up names for people to remember: `quietly-amber-heron`."""

import secrets
from typing import Final

_HOW: Final = (
    "barely boldly briefly calmly clearly closely duly early easily evenly fairly firmly freely gently gladly highly "
    "jointly justly kindly largely lightly likely loudly mainly mildly nearly neatly newly openly partly plainly "
    "purely quickly quietly rarely really richly safely seldom sharply simply slowly softly solely strongly surely "
    "swiftly truly vastly warmly widely wisely"
)
_WHAT: Final = (
    "able agile alert amber ample awake blue bold brave bright brisk busy calm careful cheerful civil clean clever "
    "cosy curious daring dapper eager early fair famous fancy firm fleet fond frank free fresh gentle glad golden "
    "grand great handy happy hardy hasty honest humble jolly keen kind large lively loyal lucky merry mighty modest "
    "neat nimble noble patient plain polite proud quick quiet rapid ready rosy sharp shiny silent silver smart smooth "
    "solid steady stout strong sturdy sunny sure swift tall tidy tiny trusty warm wise witty worthy young"
)
_WHO: Final = (
    "adder alpaca ant badger bat bear beaver bee beetle bison bittern boar buzzard camel carp cat cicada cod coot "
    "coral crab crane cricket crow cuckoo curlew deer dingo dolphin donkey dove duck eagle eel egret elk ermine "
    "falcon ferret finch fox frog gannet gecko gibbon goat goose grouse gull hare hawk hedgehog heron herring hornet "
    "horse ibex ibis jackdaw jay kestrel kite koala lark lemur lion lizard llama lobster lynx magpie marmot marten "
    "mole moose moth mouse mule newt otter owl ox oyster panda parrot perch pigeon pike plover pony puffin quail "
    "rabbit raven robin rook salmon seal shrew shrimp skylark snail snipe sparrow spider squid stag starling stoat "
    "stork swallow swan swift tern thrush tiger toad trout turtle viper vole walrus wasp weasel whale wolf wombat "
    "wren yak zebra"
)


def name(length: int, separator: str) -> str:
    """So many words: an animal, before it what it is like, before that how much so."""
    lists = [_HOW] * max(0, length - 2) + [_WHAT, _WHO][-length:]
    return separator.join(secrets.choice(words.split()) for words in lists)
