-- What gateways hold of the queues of Fiks IO. Nothing of it is on the log: losing it costs redeliveries, never a message.

create unlogged table lease (
    mottaker_konto_id uuid not null,
    melding_id uuid not null,
    levering uuid not null default gen_random_uuid(),
    holder uuid not null,
    since timestamptz not null default now(),
    primary key (mottaker_konto_id, melding_id)
);
create index lease_holder on lease (holder);
comment on table lease is 'Messages that a gateway has handed out, or is about to; nobody else gets them meanwhile.';

create unlogged table consumers (
    mottaker_konto_id uuid not null,
    holder uuid not null,
    number int not null,
    primary key (mottaker_konto_id, holder)
);
comment on table consumers is 'How many consumers of an account a gateway has.';
