//! The table of clusters.

use super::Table;
use crate::{
    cluster,
    figures::{Cluster, Effort},
    stats::{digits, median},
};

/// A field of an effort, as a row says it.
type Field = (&'static str, fn(&Effort) -> f64);

/// What a cluster did something with.
type Efforts = fn(&Cluster) -> &Vec<Effort>;

const FIELDS: [Field; 8] = [
    ("CPU of the nodes, µs", |it| it.nodes),
    ("CPU of Redis, µs", |it| it.redis),
    ("CPU of PostgreSQL, µs", |it| it.postgres),
    ("commands to Redis", |it| it.commands),
    ("bytes into Redis", |it| it.redis_in),
    ("bytes out of Redis", |it| it.redis_out),
    ("writing transactions", |it| it.writes),
    ("bytes of write-ahead log", |it| it.wal),
];

/// One column for each number of nodes, one table for each room.
pub(super) fn nodes(figures: &[Cluster]) -> String {
    let mut text = String::new();
    for members in cluster::MEMBERS {
        let same: Vec<&Cluster> = figures.iter().filter(|it| it.members == members).collect();
        let heads = same.iter().map(|it| match it.nodes {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        });
        let head: Vec<String> = std::iter::once(format!("{members} members")).chain(heads).collect();
        let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
        let mut row = |what: String, of: &dyn Fn(&Cluster) -> f64| {
            let cells = same.iter().map(|it| digits(of(it)));
            table.row(&std::iter::once(what).chain(cells).collect::<Vec<_>>());
        };
        let efforts: [(&str, Efforts); 6] = [
            ("a message, one in flight", |it| &it.one),
            ("a message, eight in flight", |it| &it.eight),
            ("a message, 256 in flight", |it| &it.many),
            ("a second of each who has spoken", |it| &it.spoken),
            ("a join", |it| &it.join),
            ("a quiet second", |it| &it.idle),
        ];
        for (when, efforts) in efforts {
            if same.iter().all(|it| efforts(it).is_empty()) {
                continue;
            }
            for (what, field) in FIELDS {
                row(format!("{when}: {what}"), &|it| {
                    median(&efforts(it).iter().map(field).collect::<Vec<_>>())
                });
            }
        }
        row("a quiet second: transactions".to_owned(), &|it| median(&it.transactions));
        row("said → heard by all, 20 a second, p50, ms".to_owned(), &|it| median(&it.p50));
        row("said → heard by all, 20 a second, p99, ms".to_owned(), &|it| median(&it.p99));
        text += &table.0;
        text.push('\n');
    }
    text
}
