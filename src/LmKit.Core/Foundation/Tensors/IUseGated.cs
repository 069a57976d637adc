namespace LmKit;

/// <summary>A module whose disposal waits for its running calls.</summary>
internal interface IUseGated
{
    /// <summary>The gate that its calls pass.</summary>
    UseGate Gate { get; }
}
