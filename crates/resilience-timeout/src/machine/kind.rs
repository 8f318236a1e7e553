/// Which part of a call took too long; the label `kind` of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The service was not ready to take the call, which was never made.
    Ready,
    /// The response, for HTTP its head, did not come.
    Head,
    /// The response's body stood still.
    Idle,
    /// The response's body did not come to its end.
    Total,
}

impl Kind {
    /// The kind as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Total => "total",
        }
    }

    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Ready => "not ready",
            Self::Head => "no response",
            Self::Idle => "no frame of the body",
            Self::Total => "no end of the body",
        }
    }
}
