using TorchSharp.Modules;

namespace LmKit;

/// <summary>What a folder of adapters needs to know of one adapter.</summary>
internal interface ILoraAdapter
{
    int Rank { get; }

    double Alpha { get; }

    double Strength { get; set; }

    bool IsEnabled { get; set; }

    /// <summary>The options as they stand, of which only what can be set afterwards may have changed.</summary>
    LoraOptions Options { get; }

    /// <summary>Where changes that belong into the model's configuration are noted: the configuration's own options where there are some.</summary>
    LoraOptions Record { get; }

    /// <summary>The parameters with the endings of their names in a folder.</summary>
    IEnumerable<(string Ending, Parameter Value)> Parts { get; }

    /// <summary>s at strength 1.</summary>
    double FullScale => Alpha / (Options.IsRankStabilized ? Math.Sqrt(Rank) : Rank);
}
