//! What users see: one binary, one module for each subject.

mod rt;
