"""The journey of a report, in the order in which it happens. Read this first; nothing here runs.

 1. An agent writes the report to its outbox on disk and publishes it            agents/outbox.py, agents/session.py
    to `tocsin/v1/{hub}/agents/{agent}/up/report`, again and again until 7.
 2. The broker (embedded or external) lets it through: an agent can publish      hub/ingest/broker.py
    only below its own topic.
 3. The hub's session takes it, without acknowledging it yet,                    hub/ingest/session.py
    and asks the registry who speaks.                                            hub/ingest/registry.py
 4. Intake decodes it (or names what is wrong),                                  hub/wire.py
    judges times and types, and lets it queue: quota, fair turns, urgent first.  hub/domain/report.py, hub/ingest/admit.py
 5. A batch is decided: duplicates fold by id, an initial report opens an        hub/ingest/intake.py
    incident, a further one changes its incident.                                hub/domain/incident.py
 6. One transaction stores reports, incidents, refused messages, and the         hub/store/reports.py, hub/store/quarantine.py
    changes with their hash chain.                                               hub/store/writer.py
 7. Only then: the broker's acknowledgement and the agent's receipt.             hub/ingest/session.py
 8. The change feed wakes its readers:                                           hub/store/changes.py
      the live feed sends the change to every console that may see it,           hub/web/live.py
      reactors act, each from its own cursor: share, link cameras, match plans,  hub/respond/
      make the duties that are owed.
 9. Duties that are late climb their ladder; notices go out through an outbox.   hub/domain/ladder.py, hub/notify/
10. The console replaces the incident by its new view: it stands on the screen.  hub/console/src/state/

A crash anywhere between two lines is a later start of the next line: nothing in between is kept in memory alone.
"""
