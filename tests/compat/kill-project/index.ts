import './ledger/syncs/items.js';
