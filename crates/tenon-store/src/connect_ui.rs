//! How the Connect UI of an environment looks: a JSON text that the engine understands.

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, StoreError, Tx, params};

crate::statements! {
    CONNECT_UI_FIND = "SELECT connect_ui FROM environment WHERE pk = $1";
    CONNECT_UI_LIST = "SELECT connect_ui FROM environment ORDER BY pk";
    CONNECT_UI_SET = "UPDATE environment SET connect_ui = $2, updated_at_us = $3 WHERE pk = $1";
}

macro_rules! reads {
    ($handle:ident) => {
        impl $handle {
            /// What was changed for an environment; `None` where everything is as it starts.
            pub async fn find_connect_ui(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Option<String>, StoreError> {
                let row = self.find(&CONNECT_UI_FIND, params![environment]).await?;
                row.map_or(Ok(None), |row| row.get(0))
            }
        }
    };
}

reads!(Reader);
reads!(Tx);

impl Reader {
    /// What was changed for each environment.
    pub async fn list_connect_ui(&self) -> Result<Vec<Option<String>>, StoreError> {
        let rows = self.query(&CONNECT_UI_LIST, &[]).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Tx {
    /// Replaces what was changed for an environment.
    pub async fn set_connect_ui(
        &self,
        environment: EnvironmentPk,
        settings: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&CONNECT_UI_SET, params![environment, settings, now])
            .await
            .map(|_| ())
    }
}
