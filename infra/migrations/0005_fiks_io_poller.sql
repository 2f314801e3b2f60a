-- Who polls has no session that could hold a message: its lease is its own, at every gateway, until a time.

alter table lease add column until timestamptz;
create unique index lease_poller on lease (holder) where until is not null;
comment on column lease.until is 'Null: the holder is a gateway. Else one who polls, who may lose it from then on.';
