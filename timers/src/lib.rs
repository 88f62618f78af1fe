//! TEMPORARY local stand-in until the wheel is merged (never committed).
#![allow(missing_docs, dead_code)]
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::num::NonZeroU32;
pub const NEVER: u64 = u64::MAX;
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    t: u32,
}
impl Geometry {
    pub const fn new(t: u32, _l: u32) -> Self {
        Self { t }
    }
}
#[derive(Debug)]
pub enum Verdict {
    Fire,
    Later(u64),
}
#[derive(Debug, Default)]
pub struct Turn {
    pub fired: usize,
    pub refiled: usize,
    pub touched: usize,
    pub more: bool,
}
#[derive(Debug)]
pub struct Wheel<T> {
    t: u32,
    n: u64,
    map: BTreeMap<(u64, u64), T>,
    keys: HashMap<u64, u64>,
}
impl<T> Wheel<T> {
    pub fn with_geometry(g: Geometry) -> Self {
        Self { t: g.t, n: 0, map: BTreeMap::new(), keys: HashMap::new() }
    }
    fn tick(&self, d: u64) -> u64 {
        if d == NEVER { NEVER } else { d.div_ceil(1 << self.t).saturating_mul(1 << self.t) }
    }
    fn key(n: u64) -> Key {
        Key { index: n as u32, generation: NonZeroU32::new((n >> 32) as u32 + 1).unwrap() }
    }
    fn num(k: Key) -> u64 {
        u64::from(k.generation.get() - 1) << 32 | u64::from(k.index)
    }
    pub fn insert(&mut self, d: u64, v: T) -> Key {
        let n = self.n;
        self.n += 1;
        let t = self.tick(d);
        self.map.insert((t, n), v);
        self.keys.insert(n, t);
        Self::key(n)
    }
    pub fn rearm(&mut self, k: Key, d: u64) -> bool {
        let n = Self::num(k);
        let Some(&t) = self.keys.get(&n) else { return false };
        let v = self.map.remove(&(t, n)).unwrap();
        let t = self.tick(d);
        self.map.insert((t, n), v);
        self.keys.insert(n, t);
        true
    }
    pub fn advance(
        &mut self,
        now: u64,
        budget: usize,
        mut f: impl FnMut(Key, &mut T) -> Verdict,
    ) -> Turn {
        let mut turn = Turn::default();
        while turn.touched < budget {
            let Some((&(t, n), _)) = self.map.iter().next() else { break };
            if t > now {
                break;
            }
            turn.touched += 1;
            let mut v = self.map.remove(&(t, n)).unwrap();
            match f(Self::key(n), &mut v) {
                Verdict::Fire => {
                    self.keys.remove(&n);
                    turn.fired += 1
                }
                Verdict::Later(d) => {
                    let t = self.tick(d);
                    self.map.insert((t, n), v);
                    self.keys.insert(n, t);
                    turn.refiled += 1;
                }
            }
        }
        turn.more = self.map.keys().next().is_some_and(|k| k.0 <= now);
        turn
    }
    pub fn next_expiry(&mut self) -> Option<u64> {
        self.map.keys().next().map(|k| k.0).filter(|t| *t != NEVER)
    }
}
