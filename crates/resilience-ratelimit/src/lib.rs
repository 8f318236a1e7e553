//! A rate limit for Tower services: GCRA in one atomic word, refusing or waiting.
