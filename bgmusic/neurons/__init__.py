"""Binary neurons and the gradient estimators behind them; needs torch alone."""
