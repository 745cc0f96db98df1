"""Back up what a board will lose, before the first erase."""

from __future__ import annotations

from pipeline.backups import Store
from pipeline.board.session import Session
from pipeline.flasher.backing import save_regions
from pipeline.flasher.records import Policy, Probe
from pipeline.keeping import Decision


def save_losses(session: Session, found: Probe, decision: Decision, policy: Policy) -> str:
    """Keep the doomed regions in the project's backups; the backup's id, empty where the run keeps none.

    Raises:
        BackupError, RecordError: it could not be taken; nothing was changed on the board.
    """
    if policy.backups is None:
        return ""
    about = {
        "firmware": decision.resident.title,
        "lost": [f"{fate.what} at {fate.region}" for fate in decision.lost],
        "plan": found.plan.fingerprint,
        "profile": found.plan.profile,
    }
    store = Store(policy.backups, found.device.mac)
    manifest = save_regions(session, store, decision.doomed, "before-flash", about)
    session.say(f"backed up as {manifest.id}: `doit restore` puts it back")
    return manifest.id
