import './ledger/syncs/items.js';
import './ledger/actions/echo.js';
import './ledger/actions/spare.js';
