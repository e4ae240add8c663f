"""Simulated ERP and shop: real invoices and retail transactions as change events and orders."""
