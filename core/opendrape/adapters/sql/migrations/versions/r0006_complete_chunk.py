"""A function of PostgreSQL: a masked chunk is ended and kept in one call, committed by itself."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Each statement of a volatile function sees what was committed before it began: that is what the lock is for.
#
# Who queues assembling? While chunks wait, nobody has to: workers share the asset's advisory lock. Once none waits, a
# worker takes it alone, so that it sees what every sharer has stored, and whether its chunk is the last. A sharer that
# finds, the lock in hand, that none waits any longer gives up (two that wanted more of a shared lock would block each
# other): 'again'. Nothing is stored unless the answer is 'done'.
#
# The asset is held, so that nobody cancels or plans meanwhile; workers on other chunks hold it too. "ORDER BY chunk"
# leads to the asset's own index, and "IS TRUE" to the item by its number, whatever the planner believes of a table that
# changes all the time.
_FUNCTION = """
CREATE FUNCTION opendrape_complete_chunk(
    space integer, ended_at timestamptz, worker text, asset text, item bigint, epoch bigint,
    artefact_name text, artefact_sha256 text, artefact_bytes bigint, told jsonb
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ended record;
    found_chunk integer;
    is_last boolean := false;
    assembling bigint;
BEGIN
    SELECT w.chunk INTO found_chunk FROM work_items AS w
    WHERE w.asset_id = asset AND w.kind = 'mask' AND w.state = 'queued' ORDER BY w.chunk LIMIT 1;
    IF FOUND THEN
        PERFORM pg_advisory_xact_lock_shared(space, hashtext(asset));
        SELECT w.chunk INTO found_chunk FROM work_items AS w
        WHERE w.asset_id = asset AND w.kind = 'mask' AND w.state = 'queued' ORDER BY w.chunk LIMIT 1;
        IF NOT FOUND THEN RETURN 'again'; END IF;
    ELSE
        PERFORM pg_advisory_xact_lock(space, hashtext(asset));
        SELECT w.chunk INTO found_chunk FROM work_items AS w
        WHERE w.asset_id = asset AND w.kind = 'mask' AND w.state IN ('queued', 'leased') AND w.item_id <> item
        ORDER BY w.chunk LIMIT 1;
        is_last := NOT FOUND;
    END IF;

    PERFORM 1 FROM assets AS a WHERE a.asset_id = asset FOR KEY SHARE;
    UPDATE work_items AS w
    SET state = 'done', owner = NULL, lease_until = NULL, reason = NULL, progress = 1
    WHERE w.item_id = item AND w.lease_epoch = epoch AND (w.state = 'leased') IS TRUE
    RETURNING w.asset_id, w.kind, w.chunk, w.policy_name, w.policy_digest INTO ended;
    IF NOT FOUND THEN RETURN 'stale'; END IF;

    INSERT INTO audit_events (at, actor, action, object_id, facts)
    VALUES (ended_at, worker, 'work.done', ended.asset_id,
        jsonb_build_object('item', item, 'kind', ended.kind, 'chunk', ended.chunk, 'epoch', epoch));
    INSERT INTO artefacts AS kept (asset_id, policy_digest, kind, chunk, name, sha256, size_bytes, created_at)
    VALUES (ended.asset_id, ended.policy_digest, 'chunk', ended.chunk,
        artefact_name, artefact_sha256, artefact_bytes, ended_at)
    ON CONFLICT (asset_id, policy_digest, kind, chunk) DO UPDATE
    SET name = excluded.name, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
        created_at = excluded.created_at;
    INSERT INTO reports AS kept (asset_id, policy_digest, chunk, outcome, created_at)
    VALUES (ended.asset_id, ended.policy_digest, ended.chunk, told, ended_at)
    ON CONFLICT (asset_id, policy_digest, chunk) DO UPDATE
    SET outcome = excluded.outcome, created_at = excluded.created_at;

    IF is_last AND NOT EXISTS (
        SELECT 1 FROM chunks AS c
        WHERE c.asset_id = ended.asset_id AND c.policy_digest = ended.policy_digest AND NOT EXISTS (
            SELECT 1 FROM artefacts AS a
            WHERE a.asset_id = c.asset_id AND a.policy_digest = c.policy_digest AND a.kind = 'chunk'
                AND a.chunk = c.chunk))
    THEN
        INSERT INTO work_items (asset_id, kind, chunk, policy_name, policy_digest, state, attempts, lease_epoch,
            due_at, rung_at, progress)
        VALUES (ended.asset_id, 'assemble', -1, ended.policy_name, ended.policy_digest, 'queued', 0, 0,
            ended_at, ended_at, 0)
        RETURNING item_id INTO assembling;
        INSERT INTO audit_events (at, actor, action, object_id, facts)
        VALUES (ended_at, worker, 'work.queued', ended.asset_id,
            jsonb_build_object('item', assembling, 'kind', 'assemble', 'chunk', -1));
        INSERT INTO outbox (kind, item_id, due_at) VALUES ('assemble', assembling, ended_at);
    END IF;
    RETURN 'done';
END $$
"""


def upgrade() -> None:
    """Make the function where the database has functions."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)


def downgrade() -> None:
    """Take it out."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION opendrape_complete_chunk")
