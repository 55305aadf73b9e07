"""What a person or a speech recogniser says, and what it does to the targets. `node` calls it for `text_command`.

    follow the red mug                       the red mug becomes the only target
    track the dog; the girl on the left      so do these two
    the red mug                              a bare expression is followed
    hey robot, where is the red mug?         to ask for a thing is to follow it
    also follow the cup / add the cup /      one more target, the others stay
    follow the cup as well / and the cup
    forget the dog / don't follow the dog    one less
    stop / stop tracking / clear             no target at all
    what do you see? / can you dance? /      refused: it names nothing to follow, or to forget
    stop moving

Verbs for following: follow, track, find, segment, locate, detect, look at, look for, look out for, search for, focus
on, pay attention to, keep an eye on, keep track of, show me, where is; start, begin, continue or keep following; and,
before an article or the like, watch, show, see, highlight, following: "watch the dog" is a command, "watch strap" a
thing. Verbs for forgetting: forget, forget about, ignore, remove, delete, unfollow, untrack, stop (quit, cease)
following, don't (never) follow; before an article also stop, cancel, clear, drop and never mind. What else begins like
an end ("stop moving", "halt there and wait") is refused, unless it may be a thing ("stop sign"): no wish to stop
becomes a target.

Left out is what people say around it: WAKE_WORDS and greetings (but not in "robot arm"), "no", "please", "can you",
"now", "let's", "for me", "thank you" and the like, and final punctuation. Verbs match in any case. All else is the
expression, with its own case, numbers and punctuation; only `;` separates two. Targets that a command names and that
are followed already go on undisturbed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from samwise_ros.errors import CommandError
from samwise_ros.types import MAX_TEXT_CHARS, clean_text, text_key

if TYPE_CHECKING:
    from samwise_ros.engine.tracker import Tracker


class Action(Enum):
    """What a command does to the set of targets."""

    FOLLOW = "follow"
    """The named targets replace all others."""
    ADD = "add"
    """The named targets join the others."""
    FORGET = "forget"
    """The named targets leave."""
    CLEAR = "clear"
    """Every target leaves."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, understood.

    Attributes:
        action: what to do.
        texts: the referring expressions it names; none for CLEAR.
    """

    action: Action
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to.

    Attributes:
        text: what is followed now, as a sentence for the log.
        ids: numbers of all targets followed now, in the order of the label image.
    """

    text: str
    ids: tuple[int, ...]


WAKE_WORDS = ("hey robot", "hi robot", "hello robot", "ok robot", "okay robot", "robot")
"""What people call a robot, in lower case. A single word of them stays where it may begin an expression."""

# The pieces of the grammar; case is ignored. Each takes as little as it can, since what is left is the expression.
_QUOTE = r"['\u2019]"
_GAP = r"(?:[\s,.:!?…]+|$)"
_THANKS = r"(?:please|pls|thank you|thanks)"
_ASK = (
    r"(?:(?:can|could|would|will|do) you|you (?:can|should|must|may)|i (?:want|need) you to"
    rf"|(?:i{_QUOTE}d|i would) like you to|let{_QUOTE}?s|let us|help me|try to)"
)
_FILL = rf"(?:(?:{_THANKS}|{_ASK}|now|then|and|so|just|go){_GAP})*"
# Some words begin a command and an expression alike: the word after them decides.
_ARTICLE = rf"(?={_GAP}(?:the|an?|this|that(?! is)|these|those|my|your|his|her|its|our|their|all|every|any|some)\b)"
_NO_PLACE = r"(?! (?:on|in|at|of|with|near|next|by|beside|behind|under|above|below|between|from)\b)"

_BUSY = r"(?:follow|track|watch|find|segment|locat|detect|highlight|look|search)ing"
_DOING = (
    r"(?:(?:follow|track|watch|find|segment|locat|detect|highlight|show|see)ing(?: me)?"
    r"|(?:look|search)ing (?:at|for|out for)|focuss?ing on|paying attention to|keeping (?:an eye on|track of))"
)
_FOLLOW = (
    rf"(?:follow|find(?: me)?|(?:track|segment){_NO_PLACE}|locate|detect|look (?:at|for|out for)|search for|focus on"
    rf"|pay attention to|keep an eye on|keep track of|show me|where(?:{_QUOTE}?s| is| are)"
    rf"|(?:start|begin|continue|keep) {_DOING}|(?:watch|show|see|highlight|{_DOING}){_ARTICLE})"
)
_ADD = (
    rf"(?:(?:also|add)(?:{_GAP}(?:also|add))?(?:{_GAP}{_FILL}{_FOLLOW})?"
    rf"|{_FOLLOW}{_GAP}also|(?:plus|include){_ARTICLE})"
)
_DO_NOT = rf"(?:don{_QUOTE}?t|do not)"
_NOT = (
    rf"(?:{_DO_NOT}|never|i {_DO_NOT} (?:want|need) you to|(?:you )?{_DO_NOT} (?:need|have) to"
    rf"|you need(?: not|n{_QUOTE}?t))"
)
_END = r"(?:stop|cancel|quit|cease|halt)"
_FORGET = (
    rf"(?:forget(?: about)?|ignore|remove|delete|unfollow|untrack|{_END} {_DOING}|{_NOT} {_FOLLOW}"
    rf"|(?:stop|cancel|clear|drop|never ?mind){_ARTICLE})"
)
_ALL = (
    r"(?:all|both|everything|everyone|everybody|anything|anyone|it|this|that|these|those|them|him|her|me|us"
    r"|(?:it|them) all|all of (?:it|them)|(?:all )?(?:the )?(?:targets|objects|things))"
)
_HALT = (
    rf"(?:(?:{_END}|clear|drop|{_FORGET}) {_ALL}|{_FOLLOW} (?:nothing|nobody|no one)"
    rf"|{_END} (?:all |the )?{_BUSY}(?: (?:at |for )?{_ALL})?"
    rf"|stop what you(?: are|{_QUOTE}re) doing|{_END}|emergency stop|abort|clear|never ?mind(?: (?:it|that))?"
    rf"|(?:that{_QUOTE}?s )?enough|nothing)"
)
_CLEAR = (
    # Few repetitions, but of "stop": there is more than one way to read "stop all", and no text may take long.
    rf"{_FILL}(?:stop(?:{_GAP}{_FILL}stop)*|{_HALT}(?:{_GAP}{_FILL}{_HALT}){{0,7}})"
    rf"(?:{_GAP}(?:(?:right |for )?now|for me|for a moment|immediately|at once|(?:right )?t?here"
    rf"|{'|'.join(WAKE_WORDS)}))*$"
)
_QUESTION = (
    r"(?:what|who|whom|whose|why|when|how|which|where|is|are|am|was|were|do|does|did|has|have)"
    rf"(?:{_QUOTE}\w+)?|(?:what|who)s|don{_QUOTE}?t|tell me|i|you|we"
)

_CALL = "|".join(word for word in WAKE_WORDS if " " in word).replace(" ", _GAP)
_MAYBE_CALL = "|".join(
    [
        *(word for word in WAKE_WORDS if " " not in word),
        *("hello", "hi", "hey", "okay", "ok", "oh", "wait"),
        r"no(?!\.\s*\d)",
    ]
)
_AFTER_CALL = (
    rf"(?=[,.:!?…]|$|\s+(?:the|an?|stop|halt|quit|cease)\b|\s+(?:no\s+)*{_CLEAR}"
    rf"|\s+{_FILL}(?:{_FOLLOW}|{_ADD}|{_FORGET}|{_ASK}|what){_GAP})"
)


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_LEADING = _compile(rf"(?:(?:{_THANKS}|{_CALL}|(?:{_MAYBE_CALL}){_AFTER_CALL}){_GAP}|and\s+(?=(?:the|an?)\b))+")
_TRAILING = _compile(rf"(?<![\s,.!?…])(?:[\s,.!?…]|\b{_THANKS}\b|,\s*(?:{'|'.join(WAKE_WORDS)})\b)+$")
_ALL_GONE = _compile(_CLEAR)
_HALT_AND = _compile(rf"{_FILL}{_HALT}{_GAP}{_FILL}(?:{_FOLLOW}|{_ADD}){_GAP}")
_WHERE = _compile(r"(?:(?:show|tell) me|(?:do you )?know) where (.+) (?:is|are)$")
_VERBS = tuple(
    (action, _compile(rf"{_FILL}{verb}{_GAP}(?:please{_GAP})?"))
    for action, verb in ((Action.ADD, _ADD), (Action.FORGET, _FORGET), (Action.FOLLOW, _FOLLOW))
)
_AFTERWARDS = _compile(
    r"(?:(?:^|[\s,]+)(?:for me|(?:right |for )?now|again|any ?more|any longer|immediately|at once))+$"
)
_TOO = _compile(r"[\s,]+(?:too|as well)$")
_MORE = _compile(r"and\s")
# Some of these words begin the name of a thing, too, but before none of what may follow here.
_UNCLEAR_END = _compile(
    rf"{_FILL}(?:(?:halt|quit|cease|abort|never|unfollow|untrack|delete|emergency stop)\b"
    r"|(?:stop|clear|cancel|drop|pause|freeze|end|finish|wait)"
    r"(?:$|[^\w\s-]|\s+[^\w\s]|\s+(?:\w+ing|him|her|me|us|you|it|them|this|that|these|those|all|both|every\w+|any\w+|and"
    r"|or|at|in|for|to|until|when|while|if|what|right|here|there|now|immediately|already)\b))"
)
_OTHER_REQUEST = _compile(rf"{_FILL}(?:{_ASK}|{_QUESTION}){_GAP}")
_PRONOUN = _compile(r"it|them|that|this|these|those|him|her|me|us|you|one|$")


def parse_command(text: str) -> Command:
    """Understand a text command.

    Args:
        text: 1..MAX_TEXT_CHARS characters; `;` separates targets.

    Returns:
        The command, at least one expression in it unless it is CLEAR.

    Raises:
        CommandError: the text is empty, too long, not text, names nothing, asks for something else, or mixes two kinds
            of commands.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise CommandError(
            f"command has {len(text)} characters, expected at most {MAX_TEXT_CHARS}: say it in fewer words"
        )
    text = _unquote(clean_text(text))
    parts = [part for part in (_strip(part) for part in text.split(";")) if part]
    if not parts:
        raise CommandError('command is empty, expected words such as "follow the red mug": say what to look at')
    if all(map(_ALL_GONE.match, parts)):
        return Command(Action.CLEAR)
    action, texts = Action.FOLLOW, []
    for number, part in enumerate(parts):
        other, rest = (Action.CLEAR, "") if _ALL_GONE.match(part) else _split_verb(part)
        if number == 0:
            action = Action.ADD if _MORE.match(text) and other in (None, Action.FOLLOW) else other or action
        elif other not in (None, action) or action is Action.CLEAR:
            raise CommandError(
                f'command starts with "{action.value}" and goes on with "{_shorten(part)}", expected one kind of '
                "request: say them one after the other"
            )
        texts.append(rest)
    if any(_PRONOUN.fullmatch(name) for name in texts):
        raise CommandError(
            f'command "{_shorten(text)}" names nothing to {action.value}, expected words that describe it: '
            "say what it looks like or where it is"
        )
    return Command(action, tuple(texts))


def apply_command(command: Command, tracker: Tracker) -> Outcome:
    """Change a tracker's targets as a command says: wholly, or not at all.

    Args:
        command: what was said.
        tracker: whose targets change, from its next step on.

    Returns:
        What is followed now.

    Raises:
        CommandError: there would be too many targets, or one to be forgotten is not there.
    """
    followed = {text_key(target.text): target.text for target in tracker.targets}
    named = {text_key(text): text for text in command.texts}
    if command.action is Action.ADD:
        named = named | followed
    elif command.action is Action.FORGET:
        for key, text in named.items():
            if key not in followed:
                have = ", ".join(f'"{_shorten(text)}"' for text in followed.values()) or "no target"
                raise CommandError(
                    f'"{_shorten(text)}" is not followed, expected one of: {have}; name it as it was added'
                )
        named = {key: text for key, text in followed.items() if key not in named}
    targets = tracker.follow(named.values())
    texts = ", ".join(f'{target.id} "{_shorten(target.text)}"' for target in targets)
    return Outcome(f"following {texts or 'nothing'}", tuple(target.id for target in targets))


def _unquote(text: str) -> str:
    """A command that somebody put in quotes as a whole, without them."""
    return text[1:-1] if len(text) > 1 and text[0] in "\"“”'" and text[-1] in "\"“”'" else text


def _strip(part: str) -> str:
    """Leave out spaces, wake words, politeness and final punctuation."""
    part = _TRAILING.sub("", " ".join(part.split()))
    call = _LEADING.match(part)
    return part[call.end() :] if call else part


def _split_verb(part: str) -> tuple[Action | None, str]:
    """Split a part into what its verb asks for, None without one, and the expression, empty where it names nothing.

    Raises:
        CommandError: the part is a question, a request of another kind, or two.
    """
    part = _WHERE.sub(r"find \1", part)
    for action, verb in _VERBS:
        if match := verb.match(part):
            text = _AFTERWARDS.sub("", part[match.end() :])
            if action is not Action.FORGET and _TOO.search(text):
                return Action.ADD, _TOO.sub("", text)
            return action, text
    if _HALT_AND.match(part):
        raise CommandError(
            f'command "{_shorten(part)}" says to stop and to follow, expected one kind of request: say them one after '
            "the other"
        )
    if _UNCLEAR_END.match(part):
        raise CommandError(
            f'command "{_shorten(part)}" begins as if something had to end, expected "stop", "forget the red mug" or '
            '"follow the red mug": say it in one of these ways'
        )
    if _OTHER_REQUEST.match(part):
        raise CommandError(
            f'command "{_shorten(part)}" is a question or a request of another kind, expected one such as '
            '"follow the red mug": say what to look at'
        )
    if _TOO.search(part):
        return Action.ADD, _TOO.sub("", part)
    return None, part


def _shorten(text: str) -> str:
    """Enough of a text for a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."
