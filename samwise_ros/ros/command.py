"""What a person or a speech recogniser says, and what it does to the targets. `node` calls it for `text_command`.

    follow the red mug                     the red mug becomes the only target
    track the dog; the girl on the left    so do these two
    the red mug                            a bare expression is followed
    also follow the cup / add the cup      one more target, the others stay
    forget the dog                         one less
    stop / stop tracking / clear           no target at all

Verbs for following: follow, track, look at, look for, find, segment. Verbs match in any case, the expression keeps
its own. "please", "can you", "could you", "would you", "will you" and final punctuation are left out. Targets that a
command names and that are followed already go on undisturbed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from samwise_ros.errors import CommandError
from samwise_ros.types import MAX_TEXT_CHARS, text_key

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


_POLITE = r"(?:please|(?:can|could|would|will) you)\b[\s,]*"
_FOLLOW = r"(?:follow|track|look (?:at|for)|find|segment)"
_LEADING = re.compile(rf"^(?:{_POLITE})+", re.IGNORECASE)
_TRAILING = re.compile(r"(?:[\s,.!?]|\bplease(?=[\s,.!?]*$))+$", re.IGNORECASE)
_CLEAR = re.compile(
    r"stop|clear|(?:stop|clear|forget) (?:all|everything|it|(?:all )?targets)|stop (?:tracking|following|looking)",
    re.IGNORECASE,
)
_VERBS = (
    (Action.ADD, re.compile(rf"(?:also|add)\b[\s,]*(?:{_FOLLOW}(?:\s+|$))?", re.IGNORECASE)),
    (Action.FORGET, re.compile(r"(?:forget|stop (?:tracking|following|looking (?:at|for)))(?:\s+|$)", re.IGNORECASE)),
    (Action.FOLLOW, re.compile(rf"{_FOLLOW}(?:\s+|$)", re.IGNORECASE)),
)


def parse_command(text: str) -> Command:
    """Understand a text command.

    Args:
        text: 1..MAX_TEXT_CHARS characters; `;` separates targets.

    Returns:
        The command, at least one expression in it unless it is CLEAR.

    Raises:
        CommandError: the text is empty, too long, not text, names nothing, or mixes two kinds of commands.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise CommandError(
            f"command has {len(text)} characters, expected at most {MAX_TEXT_CHARS}: say it in fewer words"
        )
    parts = [part for part in (_strip(part) for part in text.split(";")) if part]
    if not any(character.isprintable() for part in parts for character in part):
        raise CommandError('command is empty, expected words such as "follow the red mug": say what to look at')
    if len(parts) == 1 and _CLEAR.fullmatch(parts[0]):
        return Command(Action.CLEAR)
    action, first = _split_verb(parts[0])
    action = action or Action.FOLLOW
    texts = [first]
    for part in parts[1:]:
        other, rest = _split_verb(part)
        if other not in (None, action) or _CLEAR.fullmatch(part):
            raise CommandError(
                f'command starts with "{action.value}" and goes on with "{_shorten(part)}", expected one kind of '
                "request: say them one after the other"
            )
        texts.append(rest)
    if not all(texts):
        raise CommandError(
            f'command "{_shorten(text)}" names nothing to {action.value}, expected words after the verb: '
            "say what it looks like or where it is"
        )
    return Command(action, tuple(texts))


def apply_command(command: Command, tracker: Tracker) -> str:
    """Change a tracker's targets as a command says: wholly, or not at all.

    Args:
        command: what was said.
        tracker: whose targets change, from its next step on.

    Returns:
        What is followed now, as a sentence for the log.

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
    return f"following {texts}" if texts else "following nothing"


def _strip(part: str) -> str:
    """Leave out spaces, politeness and final punctuation."""
    return _LEADING.sub("", _TRAILING.sub("", " ".join(part.split()))).strip()


def _split_verb(part: str) -> tuple[Action | None, str]:
    """Split a part into what its verb asks for, None without one, and the expression after it."""
    for action, verb in _VERBS:
        if match := verb.match(part):
            return action, _LEADING.sub("", part[match.end() :]).strip()
    return None, part


def _shorten(text: str) -> str:
    """Enough of a text for a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."
