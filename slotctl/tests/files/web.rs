//! Images from web servers: from nginx as it is, and from one that misbehaves on
//! purpose.

mod addresses;
mod metadata;
mod misbehaving;
pub mod nginx;
mod ordinary;
mod proxies;
mod reuse;
mod rude;
mod secure;
mod waits;
pub mod yard;
