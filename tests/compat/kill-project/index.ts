import './ledger/syncs/items.js';
import './ledger/syncs/resumable.js';
