-- What a gateway that is gone had handed out is told by its leases, which a crash of PostgreSQL forgets, and by the log,
-- unless it went before it had said so. So after each crash all that was sent until then may have been seen.

create unlogged table doubt (partition int primary key, next_offset bigint not null);
comment on table doubt is 'Where fiks.io ended once leases had been forgotten. What lies before may have been handed out.';
insert into doubt select partition, 0 from checkpoint where name = 'fiks_io' group by partition; -- nothing is forgotten now
