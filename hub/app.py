"""The composition root: opens the adapters once, runs the stages in one task group, closes in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from hub.clock import Clock, SystemClock
from hub.domain.duty_rules import packaged_rules
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.ingest.intake import Intake
from hub.ingest.presence import Presences
from hub.ingest.registry import Registry
from hub.ingest.session import Broker, Session
from hub.notify.stage import duty_tasks
from hub.operate.alone import alone
from hub.operate.health import Health, clock_probe, disk_probe, flag_probe, store_probe
from hub.operate.interpreter import settle
from hub.operate.safety import safety_tasks
from hub.operate.secrets import given_secret, own_secret, refuse_shipped
from hub.respond import reactors
from hub.respond.daily import DailyDuty, Links
from hub.respond.reactor import Runner, groups
from hub.respond.reading import watch
from hub.respond.sharing import expire
from hub.respond.zones import keep_drawn
from hub.settings import Settings
from hub.store import Store
from hub.store.access import PolicyBook
from hub.store.plans import import_catalogue
from hub.store.resources import watch_stock
from hub.web.app import make_app
from hub.web.attachments import sweep_for_ever
from hub.web.guard import Guard
from hub.web.live import LiveFeed
from hub.web.services import Services
from hub.web.system import HEALTH
from hub.web.video import video_tasks

log = logging.getLogger("hub")
STAGES = frozenset({"ingest", "respond", "web"})
CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that is up: where its web and its broker are, and the services, for tests and the first-start link."""

    services: Services
    web_url: str
    mqtt_port: int
    session: Session | None


Companion = Callable[["Running"], contextlib.AbstractAsyncContextManager[None]]
"""What lives and ends with the hub, such as the demo's agents."""


async def serve(settings: Settings, *, only: frozenset[str] = STAGES, on_ready: Callable[[Running], Awaitable[None]] | None = None,
                companions: tuple[Companion, ...] = ()) -> None:
    """Run the hub until SIGTERM or SIGINT. `only` names the stages of this process. Raises Rejected for settings that cannot work."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        if not settings.store_url.startswith("postgresql"):  # with PostgreSQL several processes divide the work
            _make_folder(settings)
            stack.enter_context(alone(settings.data_path, only & STAGES))
        hub = await stack.enter_async_context(running(settings, only=only))
        if on_ready is not None:
            await _unless(stop, through_outages("welcome", partial(on_ready, hub)))
        for companion in companions:
            await stack.enter_async_context(companion(hub))
        await stop.wait()
        log.info("stopping")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or as much of it as the time before `stop` allows."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()


@contextlib.asynccontextmanager
async def running(settings: Settings, *, only: frozenset[str] = STAGES, clock: Clock | None = None) -> AsyncIterator[Running]:
    """A running hub as a context: everything is open inside, and closed in reverse at the end."""
    if unknown := only - STAGES:
        raise Rejected("settings", f"没有这样的部分：{', '.join(sorted(unknown))}", f"there is no stage {', '.join(sorted(unknown))}", field="only")
    try:
        async with AsyncExitStack() as stack:
            hub = await _open(stack, settings, only, clock or SystemClock())
            yield hub
    except BaseExceptionGroup as group:
        refused, _ = group.split(Rejected)
        if refused is None:
            raise
        raise _first(refused) from None


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first single error of a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _open(stack: AsyncExitStack, settings: Settings, only: frozenset[str], clock: Clock) -> Running:
    _make_folder(settings)
    refuse_shipped(settings)
    mqtt_address(settings, 0, "")  # a wrong one is named now, and not at the first agent
    store = await stack.enter_async_context(Store(settings.database_url, clock))
    await _first_start(store, settings)
    registry = Registry(store)
    await registry.load()
    intake = Intake(store, zone=settings.local_zone, batch=settings.batch_reports, queue=settings.queue_reports,
                    quota_per_minute=settings.quota_per_minute)
    presences, policies = Presences(store), PolicyBook()
    health = Health(clock, needed=frozenset({"store", "broker"}) if "ingest" in only else frozenset({"store"}))
    tasks: dict[str, Any] = {"registry": registry.run, "intake": intake.run, "presence": presences.run, "health": health.run}
    if not store.is_sqlite:
        tasks["listen"] = store.listen
    mqtt_port, session = await _broker(stack, settings, only, store, intake, registry, presences, health, tasks)
    live = LiveFeed(store, policies)
    guard = Guard(store, settings, policies, clock)
    services = Services(
        store=store, clock=clock, settings=settings, intake=intake, health=health, authenticate=guard.authenticate, registry=registry,
        policies=policies, live=live, mqtt_address=lambda host: mqtt_address(settings, mqtt_port, host),
    )
    services.extra["guard"] = guard
    if session is not None:
        services.extra["session"] = session
    tasks |= video_tasks(services, session.link.broker if session is not None else None, only)
    health.probes["store"] = store_probe(store)
    health.probes["clock"] = clock_probe(store, clock)
    health.probes["disk"] = disk_probe(settings.data_path)
    tasks |= safety_tasks(services, respond="respond" in only)
    tasks |= await duty_tasks(stack, store, clock, respond="respond" in only, publish=session.send if session else None,
                              extra=services.extra, near=settings.near_hosts)
    daily = DailyDuty(store, lambda: services.extra["duty_rules"], policies)
    daily.attach(intake, services.extra["schedule"] if "respond" in only else None)
    if "respond" in only:
        tasks["shares.expire"] = partial(expire, store)
        tasks["shares.unread"] = partial(watch, store, packaged_rules())
        tasks["plans.import"] = partial(import_catalogue, store)
        tasks["zones.draw"] = partial(keep_drawn, store)
        tasks["resources.stock"] = partial(watch_stock, store, packaged_rules(), demo=settings.demo)
        for name, group in groups(reactors(intake, registry)).items():
            tasks[f"react.{name}"] = Runner(store, *group).run
    if "web" in only:
        tasks["live"] = live.run
        tasks["attachments"] = partial(sweep_for_ever, settings.data_path, clock)
    await stack.enter_async_context(_tasks(tasks, intake))
    if session is not None:
        with contextlib.suppress(TimeoutError):  # an absent broker is told on the screen, it does not keep the hub down
            async with asyncio.timeout(3):
                await session.link.connected.wait()
    await health.ask()
    web_url = await _web(stack, settings, services) if "web" in only else ""
    if settings.health_port and "web" not in only:
        await _listen(stack, make_app(services, HEALTH, console=False), settings.health_host, settings.health_port, "health_port")
    services.extra["links"] = links = Links(settings.data_path, settings.public_url or web_url)
    if "outbox" in services.extra:
        services.extra["outbox"].link_for = links.of_notice
    settle()
    return Running(services, web_url, mqtt_port, session)


def _make_folder(settings: Settings) -> None:
    try:
        settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Rejected("settings", f"无法使用数据目录 {settings.data_dir}：{why_zh(error)}", f"the data folder {settings.data_dir} cannot be used: {why_en(error)}",
                       field="data_dir") from None


async def _first_start(store: Store, settings: Settings) -> None:
    """What an empty store needs: the organisation as shipped, and the demo district where it was asked for."""
    from hub.operate.first_start import prepare

    await prepare(store, settings)


async def _broker(
    stack: AsyncExitStack, settings: Settings, only: frozenset[str], store: Store, intake: Intake, registry: Registry, presences: Presences,
    health: Health, tasks: dict[str, Any],
) -> tuple[int, Session | None]:
    """Start the embedded broker where there is none outside, and the hub's session at it."""
    if "ingest" not in only:
        return urlsplit(settings.broker).port or 0, None
    if settings.broker == "embedded":
        from hub.ingest.broker import embedded

        password = own_secret(settings.data_path, "hub-mqtt")
        port = await stack.enter_async_context(embedded(settings, registry, password))
        broker = Broker("127.0.0.1", port, "hub", password)
    else:
        password = given_secret(settings.broker_password_file, "MQTT") if settings.broker_password_file else ""
        broker = Broker.from_url(settings.broker, settings.broker_user, password or None, settings.broker_ca_file or None)
        port = broker.port
    share = "ingest" if settings.ingest_workers > 1 else None
    client_id = settings.ingest_client or "hub"
    if share and not settings.ingest_client:
        raise Rejected("settings", "多个入库进程须各有 ingest_client（客户端标识）", "several ingest processes need an ingest_client each",
                       field="ingest_client")
    session = Session(broker, settings.hub_id, intake, registry, presences, client_id=client_id, share=share)
    tasks["session"] = session.run
    health.probes["broker"] = flag_probe(
        session.link.connected.is_set, ("消息服务器已连接", "消息服务器断开，正在重连；终端会保存报告"),
        ("connected to the broker", "the broker is away; reconnecting, agents keep their reports"))
    return port, session


def mqtt_address(settings: Settings, port: int, host: str) -> tuple[str, int, bool]:
    """Where agents find the broker (host, port, TLS), given the embedded one's port and the host name that they reach the web by. Raises Rejected."""
    if settings.broker == "embedded":
        tls = bool(settings.broker_tls_port)
        return host, settings.broker_tls_port or port, tls
    told = "agents_broker" if settings.agents_broker else "broker"
    broker = Broker.from_url(getattr(settings, told), "", None, setting=told)
    return broker.host, broker.port, broker.tls


@contextlib.asynccontextmanager
async def _tasks(tasks: dict[str, Any], intake: Intake) -> AsyncIterator[None]:
    """The stages in one task group; at the end they are cancelled and what is in the intake's hands is finished, within 10 s."""
    group = asyncio.TaskGroup()
    async with group:
        running = [group.create_task(through_outages(name, run), name=name) for name, run in tasks.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S / 2):
                    await intake.drain()


async def through_outages(name: str, run: Callable[[], Awaitable[Any]], *, pause_s: float = 1.0) -> None:
    """Do a stage's work, again from its beginning where the store is away: an outage is never the end of the process, a bug is."""
    while True:
        try:
            await run()
            return
        except Unavailable as error:
            log.warning("%s waits: %s", name, error)
            await asyncio.sleep(pause_s)


async def _web(stack: AsyncExitStack, settings: Settings, services: Services) -> str:
    context = None
    if settings.tls_cert_file:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file or None)
        except OSError as error:  # an SSLError is one
            raise Rejected("settings", f"无法使用证书 {settings.tls_cert_file} 及其私钥：{why_zh(error)}",
                           f"the certificate {settings.tls_cert_file} and its key cannot be used: {why_en(error)}", field="tls_cert_file") from None
    port = await _listen(stack, make_app(services), settings.web_host, settings.web_port, "web_port", context)
    host = "127.0.0.1" if settings.web_host in ("0.0.0.0", "::") else settings.web_host  # noqa: S104 compared, not bound
    return f"{'https' if context else 'http'}://{host}:{port}"


async def _listen(stack: AsyncExitStack, app: web.Application, host: str, port: int, field: str, context: ssl.SSLContext | None = None) -> int:
    """Serve until the stack closes; gives the port. Raises Rejected where it is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Rejected("settings", f"无法在 {host}:{port} 上监听：{why_zh(error)}", f"cannot listen on {host}:{port}: {why_en(error)}", field=field) from None
        option = "--port" if field == "web_port" else "TOCSIN_" + field.upper()
        raise Rejected("port_taken", f"端口 {port} 已被占用，请用 {option} 换一个",
                       f"the port {port} is taken; choose another with {option} ({why_en(error)})", field=field) from None
    sockets = site._server.sockets  # type: ignore[union-attr] # aiohttp has no public way to learn the port of port 0
    return int(sockets[0].getsockname()[1])
