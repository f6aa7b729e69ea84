-- The conditions behind `state` always hold. Only queries that repeat one may use its index: looking whether an older
-- delivery holds a connection back must go through `delivery_order`, and without statistics (the waiting are few most of
-- the time) Postgres would else take either of these for it, and read all that waits once for each candidate. The queue
-- goes by time first, since in the order of `pk` alone Postgres would rather walk through all that was ever delivered.
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (endpoint_pk, next_at_us) WHERE state = 'waiting' AND fence >= 0;
DROP INDEX delivery_queue;
CREATE INDEX delivery_queue ON delivery (endpoint_pk, created_at_us, pk) WHERE state = 'waiting' AND created_at_us >= 0;
