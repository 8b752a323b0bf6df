"""What a channel is: it sends one message to one address, or says why not and whether trying again can help."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One message as it goes out. `id` is the notice's: the same however often it is sent."""

    id: str
    address: str
    title: str
    body: str
    urgent: bool
    drill: bool


class SendFailed(Exception):
    """It could not be sent, and why, in Chinese and English (`en` None: what reads the same in both, a gateway's own code or words).

    `permanent`: the address or the gateway's answer is such that trying again cannot help.
    """

    def __init__(self, zh: str, en: str | None = None, *, permanent: bool = False) -> None:
        self.zh = zh
        self.en = zh if en is None else en
        self.permanent = permanent
        super().__init__(self.why)

    @property
    def why(self) -> str:
        """Both languages in one line, as notices and contacts keep it; the console shows the reader's half."""
        return self.zh if self.zh == self.en else f"{self.zh} / {self.en}"


class Channel(Protocol):
    """A way out. `name` is what notices name; `send` returns once the other side has taken the message."""

    name: str

    async def send(self, message: Message) -> None:
        """Send one message; raises SendFailed."""
        ...

    def gateway(self, address: str) -> str:
        """What shares its fate with this address: a gateway that hangs holds up its own messages only."""
        ...
