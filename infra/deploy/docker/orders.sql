-- The demo's target, run once by the PostgreSQL image. Passwords come from files that `init` made.
\set ON_ERROR_STOP on
\getenv accounts ACCOUNTS
\cd :accounts
\set extract `cat extract`
\set transform `cat transform`
\set load `cat load`
\set analyst `cat analyst`
\set catalog `cat catalog`
CREATE ROLE extract LOGIN PASSWORD :'extract';
CREATE ROLE transform LOGIN PASSWORD :'transform';
CREATE ROLE load LOGIN PASSWORD :'load';
CREATE ROLE analyst LOGIN PASSWORD :'analyst';
CREATE ROLE catalog LOGIN PASSWORD :'catalog';
CREATE DATABASE orders OWNER load;
REVOKE ALL ON DATABASE orders FROM PUBLIC;
GRANT CONNECT ON DATABASE orders TO extract, transform, analyst, catalog;
\connect orders
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO extract, transform, analyst, catalog;
GRANT ALL ON SCHEMA public TO load;
SET ROLE load;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, card text NOT NULL, region text NOT NULL);
CREATE TABLE staging_customers (LIKE customers);
CREATE TABLE reporting_customers (LIKE customers);
INSERT INTO customers SELECT n, 'Customer ' || n, 'person' || n || '@example.com',
  '4000' || lpad((n * 7919 % 1000000000000)::text, 12, '0'), (ARRAY['north','south','east','west'])[n % 4 + 1]
  FROM generate_series(1, 5000) n;
GRANT SELECT ON customers TO extract, transform, analyst;
GRANT SELECT, INSERT ON staging_customers TO transform;
RESET ROLE;
ANALYZE customers;
