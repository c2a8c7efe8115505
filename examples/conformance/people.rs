//! `people`: one table, nine services over it. A service's path says how it is set:
//! `people~<methods that take several>~<paging>`. A tenth, [`UNLOGGED`], has no audience, so that its
//! writes bring no events: `make bench` compares the two.

use roost::{
    core::call::Method,
    services::{Services, records::Records, rules::Scope},
};

use crate::{SEVERAL, tables::people};

/// Path, methods that take several, and paging: default and most.
type Configuration = (&'static str, &'static [Method], Option<(u64, u64)>);

const CONFIGURATIONS: [Configuration; 9] = [
    ("people", &[], None),
    ("people~remove~none", &[Method::Remove], None),
    ("people~patch~none", &[Method::Patch], None),
    ("people~create~none", &[Method::Create], None),
    (
        "people~create+patch~none",
        &[Method::Create, Method::Patch],
        None,
    ),
    ("people~all~none", &SEVERAL, None),
    ("people~all~d10m100", &SEVERAL, Some((10, 100))),
    ("people~none~d1m2", &[], Some((1, 2))),
    ("people~none~d3", &[], Some((3, u64::MAX))),
];

/// The service without events.
const UNLOGGED: &str = "people~unlogged";

/// Registers the ten services.
pub fn register(services: &mut Services) {
    for (path, multi, paging) in CONFIGURATIONS {
        let mut records = Records::of::<people::Entity>("id")
            .multi(multi)
            .audience(|_| Some(Scope::everyone([])));
        if let Some((default, max)) = paging {
            records = records.paginate(default, max);
        }
        services.add(path, records.build());
    }
    services.add(UNLOGGED, Records::of::<people::Entity>("id").build());
}
