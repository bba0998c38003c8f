-- Commands made and accounted for in one statement each: the program and PostgreSQL wake each other
-- once, not once a step. And a command changes often but is looked for in few ways: what is waiting
-- or out is found among the open ones of a vehicle or a partition, what is old by its name (UUID
-- version 7: by age). So a claim changes no indexed column: the row is rewritten in its page (HOT).

DROP INDEX commands_next;
DROP INDEX commands_out;
DROP INDEX commands_ended;
ALTER TABLE commands SET (fillfactor = 70);
ALTER TABLE command_numbers SET (fillfactor = 70);
ALTER TABLE command_positions SET (fillfactor = 10);

-- Who has commands has a number in command_numbers, whose own reference holds the tenant.
ALTER TABLE commands DROP CONSTRAINT commands_tenant_fkey;

-- Writes new commands (an array of objects) and gives them their numbers; those made are returned.
-- Left out are those whose idempotency key was used before, and those beyond what their vehicle may
-- have open. The first statement takes the vehicles' turns among all makers, so that the second
-- counts what the makers before have committed.
CREATE FUNCTION command_insert(news jsonb, open_max integer)
RETURNS TABLE (id uuid, number integer) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO command_numbers AS n (vehicle, tenant, last)
        SELECT v.vehicle, min(v.tenant), count(*)
        FROM jsonb_to_recordset(news) AS v (vehicle bigint, tenant bigint)
        GROUP BY v.vehicle ORDER BY v.vehicle
        ON CONFLICT (vehicle) DO UPDATE SET last = (n.last + excluded.last - 1) % 65535 + 1;
    RETURN QUERY WITH v AS (
        SELECT v.*, row_number() OVER mine AS place,
            count(*) OVER (PARTITION BY v.vehicle) AS of
        FROM jsonb_to_recordset(news) AS v (id uuid, tenant bigint, vehicle bigint,
            partition smallint, kind text, parameters jsonb, class text, priority smallint,
            tries_max integer, made_us bigint, deadline_us bigint, maker text, bulk uuid,
            idempotency text, digest bytea)
        WHERE v.idempotency IS NULL OR NOT EXISTS (SELECT FROM commands c
            WHERE c.tenant = v.tenant AND c.vehicle = v.vehicle AND c.idempotency = v.idempotency)
        WINDOW mine AS (PARTITION BY v.vehicle ORDER BY v.id)
    ) INSERT INTO commands AS c (number, id, tenant, vehicle, partition, kind, parameters, class,
            priority, tries_max, made_us, deadline_us, maker, bulk, idempotency, digest)
        SELECT (n.last - v.of + v.place + 65534) % 65535 + 1, v.id, v.tenant, v.vehicle,
            v.partition, v.kind, v.parameters, v.class, v.priority, v.tries_max, v.made_us,
            v.deadline_us, v.maker, v.bulk, v.idempotency, v.digest
        FROM v JOIN command_numbers n ON n.vehicle = v.vehicle
        WHERE v.place + (SELECT count(*) FROM commands o WHERE o.vehicle = v.vehicle
            AND o.state IN ('queued', 'sent', 'delivered')) <= open_max
        RETURNING c.id, c.number;
END $$;

-- The same as a transaction of its own, in a tenant's scope.
CREATE FUNCTION command_make(whose bigint, news jsonb, open_max integer)
RETURNS TABLE (id uuid, number integer) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('motorcade.tenant', whose::text, true);
    RETURN QUERY SELECT * FROM command_insert(news, open_max);
END $$;

-- One turn of the commands service, in the platform's scope. It writes how far partitions are
-- (held), which states were told, and changed commands (saved: one that has ended meanwhile stays
-- as it is); then it takes the next commands of vehicles (wanted) for sending, by priority, then
-- age, and returns them. It fails where a partition has another fence, which the program reads as
-- a conflict: all of the turn is undone.
CREATE FUNCTION command_turn(turn jsonb)
RETURNS SETOF commands LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    matched integer;
BEGIN
    PERFORM set_config('motorcade.platform', 'on', true);
    UPDATE command_positions p SET sequence = greatest(p.sequence, v.sequence)
        FROM jsonb_to_recordset(turn->'held')
            AS v (partition smallint, sequence bigint, fence bigint)
        WHERE p.partition = v.partition AND p.fence = v.fence;
    GET DIAGNOSTICS matched = ROW_COUNT;
    IF matched <> jsonb_array_length(turn->'held') THEN
        RAISE unique_violation USING MESSAGE = 'a partition of commands is held by another process',
            DETAIL = 'another process has taken over partitions of this one';
    END IF;
    IF turn->'told' <> '[]' THEN
        UPDATE commands c SET told = c.told | v.told
            FROM jsonb_to_recordset(turn->'told') AS v (id uuid, told smallint)
            WHERE c.id = v.id;
    END IF;
    IF turn->'saved' <> '[]' THEN
        UPDATE commands c SET state = v.state, code = v.code, detail = v.detail, facts = v.facts,
            notes = v.notes, tries = v.tries, attempts = v.attempts, keys = v.keys,
            wait_us = v.wait_us, next_us = v.next_us, sent_us = v.sent_us,
            delivered_us = v.delivered_us, ended_us = v.ended_us, reached = v.reached
            FROM jsonb_to_recordset(turn->'saved') AS v (id uuid, state text, code text,
                detail text, facts jsonb, notes jsonb, tries integer, attempts jsonb, keys text[],
                wait_us bigint, next_us bigint, sent_us bigint, delivered_us bigint,
                ended_us bigint, reached smallint)
            WHERE c.id = v.id
            AND (c.state IN ('queued', 'sent', 'delivered') OR c.state = v.state);
    END IF;
    IF turn->'wanted' <> '[]' THEN
        RETURN QUERY WITH picked AS (
            SELECT p.id
            FROM jsonb_to_recordset(turn->'wanted')
                AS w (vehicle bigint, free integer, classes text[])
            CROSS JOIN LATERAL (SELECT o.id FROM commands o
                WHERE o.vehicle = w.vehicle AND o.state IN ('queued', 'sent') AND o.wait_us = 0
                AND o.class = ANY(w.classes) AND o.next_us <= (turn->>'now_us')::bigint
                AND o.deadline_us > (turn->>'now_us')::bigint
                ORDER BY o.priority DESC, o.made_us, o.id LIMIT w.free FOR UPDATE SKIP LOCKED) p
        ) UPDATE commands c SET wait_us = (turn->>'until_us')::bigint, tries = c.tries + 1
            FROM picked WHERE c.id = picked.id RETURNING c.*;
    END IF;
END $$;
