"""Documents from the ledger: Word from templates, Excel in and out. No rule and no I/O but the packaged templates."""
