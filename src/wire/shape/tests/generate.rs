//! Messages out of the table.

use bytes::BufMut;

use crate::wire::shape::table::{Field, Kind};

/// Writes messages of a version, random by their seed.
pub(super) struct Generator {
    pub(super) random: fastrand::Rng,
    pub(super) version: i16,
    pub(super) flexible: bool,
    /// Whether texts, bytes and lists may be null: many of them must not be.
    pub(super) nulls: bool,
}

impl Generator {
    pub(super) fn message(&mut self, fields: &[Field]) -> Vec<u8> {
        let mut out = Vec::new();
        self.record(fields, &mut out);
        out
    }

    fn record(&mut self, fields: &[Field], out: &mut Vec<u8>) {
        let here = |field: &&Field| field.is_in(self.version);
        let (untagged, tagged): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(here)
            .partition(|field| field.tag.is_none());
        for field in untagged {
            self.value(&field.kind, out);
        }
        if !self.flexible {
            return;
        }
        let tagged: Vec<_> = tagged.into_iter().filter(|_| self.random.bool()).collect();
        let unknown = self.random.u32(..3);
        put_varint(out, tagged.len() as u32 + unknown);
        for field in tagged {
            let mut value = Vec::new();
            self.value(&field.kind, &mut value);
            put_varint(out, field.tag.unwrap());
            put_varint(out, value.len() as u32);
            out.extend(value);
        }
        for n in 0..unknown {
            // Each version knows its lower tags; Kafka's are below 10.
            put_varint(out, 100 + 1000 * n);
            let value = self.bytes();
            put_varint(out, value.len() as u32);
            out.extend(value);
        }
    }

    fn value(&mut self, kind: &Kind, out: &mut Vec<u8>) {
        match kind {
            // A small number is right for a flag, too.
            Kind::Fixed(size) => out.extend((0..*size).map(|_| self.random.u8(..2))),
            Kind::Record(fields) => self.record(fields, out),
            Kind::Maybe(fields) => {
                let present = self.random.bool();
                out.put_i8(if present { 1 } else { -1 });
                if present {
                    self.record(fields, out);
                }
            }
            Kind::Text => {
                let value = self.present().then(|| self.bytes());
                match (self.flexible, &value) {
                    (true, _) => put_compact(out, value.as_ref().map(Vec::len)),
                    (false, None) => out.put_i16(-1),
                    (false, Some(text)) => out.put_i16(text.len() as i16),
                }
                out.extend(value.unwrap_or_default());
            }
            Kind::Bytes => {
                let value = self.present().then(|| self.bytes());
                self.put_length(out, value.as_ref().map(Vec::len));
                out.extend(value.unwrap_or_default());
            }
            Kind::List(of) => {
                let count = self.present().then(|| self.random.usize(..4));
                self.put_length(out, count);
                for _ in 0..count.unwrap_or(0) {
                    self.value(of, out);
                }
            }
        }
    }

    fn put_length(&self, out: &mut Vec<u8>, length: Option<usize>) {
        if self.flexible {
            put_compact(out, length);
        } else {
            out.put_i32(length.map_or(-1, |length| length as i32));
        }
    }

    fn present(&mut self) -> bool {
        !self.nulls || self.random.u8(..4) > 0
    }

    /// Text, so that it does for texts; now and then long enough for a length of two bytes.
    fn bytes(&mut self) -> Vec<u8> {
        let most = if self.random.u8(..20) == 0 { 300 } else { 6 };
        let len = self.random.usize(..most);
        (0..len).map(|_| self.random.alphanumeric() as u8).collect()
    }
}

fn put_compact(out: &mut Vec<u8>, length: Option<usize>) {
    put_varint(out, length.map_or(0, |length| length as u32 + 1));
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
