"""Puts video into a running hub: the relay with its own connection to the broker, the open views, the recordings and their retention."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from hub.ids import new_id
from hub.ingest.link import Broker
from hub.ingest.media import MediaSession
from hub.respond.recording import Recordings
from hub.web.feeds import Views
from hub.web.services import Services
from hub.wire import HUB_MEDIA
from streams.relay import Relay

log = logging.getLogger("hub.video")


def video_tasks(services: Services, broker: Broker | None, only: frozenset[str]) -> dict[str, Any]:
    """Put the relay and the views into the services; gives the tasks by name. Without a broker the routes say that there is no picture.

    Every process with the web or the reactors has its own connection (`hub-media`), so that any of them can serve any viewer.
    """
    settings = services.settings
    if broker is None and settings.broker != "embedded" and only & {"web", "respond"}:
        from hub.operate.secrets import given_secret

        password = given_secret(settings.broker_password_file, "MQTT") if settings.broker_password_file else None
        broker = Broker.from_url(settings.broker, settings.broker_user, password, settings.broker_ca_file or None)
    relay = Relay()
    services.extra["relay"] = relay
    views = services.extra["views"] = Views(services.store, services)
    services.gauges["video_views"] = lambda: float(len(views.open))
    services.gauges["video_cut"] = lambda: float(views.cut)
    tasks: dict[str, Any] = {"views": views.run} if "web" in only else {}
    if broker is None or not only & {"web", "respond"}:
        return tasks
    client_id = f"hub-media-{new_id()[-12:]}"
    if settings.broker == "embedded":
        client_id = HUB_MEDIA
        broker = replace(broker, username=HUB_MEDIA)  # the embedded broker ends an older connection of the same name
    media = services.extra["media"] = MediaSession(relay, broker, hub=settings.hub_id, client_id=client_id)
    tasks["media"] = media.run
    services.gauges["video_garbage"] = lambda: float(relay.garbage)
    if "respond" in only:
        recordings = services.extra["recordings"] = Recordings(services.store, relay, settings)
        tasks["recordings"] = recordings.run
        tasks["recordings.retention"] = recordings.retain
    return tasks

