"""Producers: events, control requests and orders, from Comporta to the broker and the ERP."""
