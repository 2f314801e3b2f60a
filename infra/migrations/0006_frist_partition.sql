-- What is due is asked for by partition: where very much is due in one, the others must not read through it.

drop index frist_due;
create index frist_due on frist (decider, topic, partition, due) where not appended;
