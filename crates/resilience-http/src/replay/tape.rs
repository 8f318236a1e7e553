//! What has been read of a body, up to a cap.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use std::collections::VecDeque;

/// Chunks shorter than this are copied together: a body in single bytes would otherwise need many times its
/// length.
const SHORT: usize = 512;
/// How much is copied together.
const PAGE: usize = 4096;

/// The frames that have been read, to be played again.
///
/// The reader plays what is recorded first, and records what it reads then: all but late frames are recorded
/// with everything played.
#[derive(Debug)]
pub(super) struct Tape {
    chunks: VecDeque<Bytes>,
    /// Short chunks, after all others. Empty while anything is left to be played.
    short: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// How many of `chunks`, and whether the trailers, have been played.
    played: usize,
    trailers_played: bool,
    /// Data and trailers recorded.
    length: usize,
    cap: usize,
    /// Whether everything is there from the beginning.
    whole: bool,
}

/// What is no longer needed. To be dropped where no lock is held: chunks may run their owner's code.
pub(super) type Waste = VecDeque<Bytes>;

impl Tape {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            short: Vec::new(),
            trailers: None,
            played: 0,
            trailers_played: false,
            length: 0,
            cap,
            whole: true,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Records a frame that the reader gets as well. Beyond the cap, recording ends for good.
    pub(super) fn record(&mut self, frame: &Frame<Bytes>) -> Waste {
        if !self.whole {
            return Waste::new();
        }
        self.length = self.length.saturating_add(length(frame));
        if self.length > self.cap {
            return self.let_go();
        }
        if let Some(data) = frame.data_ref() {
            self.push(data);
            self.played = self.chunks.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            self.trailers_played = true;
        } else {
            // A kind of frame that we know nothing about.
            return self.let_go();
        }
        Waste::new()
    }

    /// Records a frame that was read for an earlier attempt, after the tape was rewound for the next. It may go
    /// beyond the cap: then the next attempt, which needs it, is the last.
    pub(super) fn record_late(&mut self, frame: Frame<Bytes>) -> Waste {
        self.length = self.length.saturating_add(length(&frame));
        match frame.into_data() {
            Ok(data) => self.chunks.push_back(data),
            Err(frame) => self.trailers = frame.into_trailers().ok(),
        }
        if self.length > self.cap {
            return self.let_go();
        }
        Waste::new()
    }

    fn push(&mut self, data: &Bytes) {
        if data.is_empty() {
            return;
        }
        let short = data.len() < SHORT;
        if !short || self.short.len() + data.len() > PAGE {
            self.flush();
        }
        if short {
            self.short.extend_from_slice(data);
        } else {
            self.chunks.push_back(data.clone());
        }
    }

    fn flush(&mut self) {
        if !self.short.is_empty() {
            self.chunks.push_back(Bytes::copy_from_slice(&self.short));
            self.short.clear();
        }
    }

    /// Everything is to be played again.
    pub(super) fn rewind(&mut self) {
        self.flush();
        self.short = Vec::new();
        self.played = 0;
        self.trailers_played = false;
    }

    /// The next frame to be played.
    pub(super) fn play(&mut self) -> Option<Frame<Bytes>> {
        let chunk = if self.whole {
            let chunk = self.chunks.get(self.played).cloned();
            self.played += usize::from(chunk.is_some());
            chunk
        } else {
            self.chunks.pop_front()
        };
        if let Some(chunk) = chunk {
            return Some(Frame::data(chunk));
        }
        if self.trailers_played {
            return None;
        }
        let trailers = if self.whole {
            self.trailers.clone()
        } else {
            self.trailers.take()
        };
        self.trailers_played = trailers.is_some();
        trailers.map(Frame::trailers)
    }

    /// How many bytes of data are still to be played.
    pub(super) fn left(&self) -> u64 {
        let left = self.chunks.iter().skip(self.played);
        left.map(|chunk| chunk.len() as u64).sum()
    }

    /// Whether everything has been played.
    pub(super) fn is_played(&self) -> bool {
        self.played == self.chunks.len() && (self.trailers_played || self.trailers.is_none())
    }

    /// There will be no other attempt: nothing more is recorded, and what has been played is not needed.
    pub(super) fn let_go(&mut self) -> Waste {
        self.whole = false;
        self.short = Vec::new();
        if self.trailers_played {
            self.trailers = None;
        }
        let left = self.chunks.split_off(std::mem::take(&mut self.played));
        std::mem::replace(&mut self.chunks, left)
    }
}

fn length(frame: &Frame<Bytes>) -> usize {
    let data = frame.data_ref().map_or(0, Bytes::len);
    let trailers = frame.trailers_ref().map_or(0, |trailers| {
        let each = trailers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        each.sum()
    });
    data + trailers
}
