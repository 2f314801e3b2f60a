-- name: tables
create table innhold_blob (
    blob text not null,
    stream uuid not null,
    mark bigint not null,
    primary key (blob)
);

-- name: indexes
