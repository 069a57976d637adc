namespace LmKit;

/// <summary>A visit behind a <see cref="UseGate"/>; ends when it is disposed.</summary>
internal readonly ref struct UseLease
{
    private readonly UseGate? gate;

    internal UseLease(UseGate gate) => this.gate = gate;

    /// <summary>Ends the visit.</summary>
    public void Dispose() => gate?.Leave();
}
