"""A simulated ERP: real invoices and real transactions as change events, with nothing sent anywhere."""
