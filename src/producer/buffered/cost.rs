//! What an event costs against the bounds: one event, and bytes.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// What a buffered event takes beyond its encoded bytes: the queue's own entry,
/// counted so that a bound in bytes bounds memory for small events too.
pub(super) const EVENT_OVERHEAD: usize = 128;

/// An amount of events and of bytes, taken and given back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cost {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Cost {
    /// What one event of this encoded size costs.
    #[inline]
    pub(super) fn of_event(encoded_size: usize) -> Self {
        Self {
            events: 1,
            bytes: encoded_size.saturating_add(EVENT_OVERHEAD),
        }
    }

    #[inline]
    pub(super) fn fits(self, limit: Self) -> bool {
        self.events <= limit.events && self.bytes <= limit.bytes
    }

    #[inline]
    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The larger of two, field by field.
    #[inline]
    pub(super) fn max(self, other: Self) -> Self {
        self.zip(other, usize::max)
    }

    /// The smaller of two, field by field.
    #[inline]
    pub(super) fn min(self, other: Self) -> Self {
        self.zip(other, usize::min)
    }

    #[inline]
    pub(super) fn saturating_add(self, other: Self) -> Self {
        self.zip(other, usize::saturating_add)
    }

    #[inline]
    pub(super) fn saturating_sub(self, other: Self) -> Self {
        self.zip(other, usize::saturating_sub)
    }

    /// One part of many, rounded down.
    pub(super) fn divided_by(self, parts: usize) -> Self {
        Self {
            events: self.events / parts,
            bytes: self.bytes / parts,
        }
    }

    /// So much many times over.
    pub(super) fn times(self, times: usize) -> Self {
        Self {
            events: self.events.saturating_mul(times),
            bytes: self.bytes.saturating_mul(times),
        }
    }

    #[inline]
    fn zip(self, other: Self, combine: fn(usize, usize) -> usize) -> Self {
        Self {
            events: combine(self.events, other.events),
            bytes: combine(self.bytes, other.bytes),
        }
    }
}

impl Add for Cost {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl AddAssign for Cost {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl SubAssign for Cost {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
